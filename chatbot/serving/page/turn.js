// One line of the dialogue and what each model replies to it.

import { compare, keepKey } from "./api.js";
import { announce, element } from "./dom.js";
import { Panel } from "./panel.js";
import { say } from "./words.js";

const MOST_TURNS = 50; // that are sent; the model reads as many as it was trained to

/** A line with its replies; hooks: `before` lists earlier turns, `onreply`, `onask(turn, words)`. */
export class Turn {
  constructor(line, state, hooks) {
    Object.assign(this, { line, state, hooks, reply: "", prefix: [] });
    this.answers = element("div", { class: "answers" });
    const said = makeBubble("mine", "you", line);
    this.element = element("article", { class: "turn" }, said, this.answers);
  }

  /** Asks all chosen models, from the beginning or on from given words. */
  async ask(prefix = []) {
    this.stop();
    this.prefix = prefix;
    this.hadFocus = this.answers.contains(document.activeElement);
    this.asking = new AbortController();
    const { signal } = this.asking;
    const models = [this.state.model, this.state.other].filter(Boolean);
    const shown = models.map(() => element("section", { class: "answer" }));
    this.answers.replaceChildren(...shown);
    this.answers.classList.toggle("two", models.length > 1);
    await Promise.all(models.map((model, place) => this.#askOne(model, shown[place], place, signal)));
    if (this.asking?.signal === signal) this.asking = null;
  }

  /** Shows a reply that was given before. */
  recall(reply) {
    this.reply = reply;
    this.answers.replaceChildren(makeBubble("theirs", "bot", reply || say("empty")));
  }

  /** Stops what is being asked; tells whether anything was. */
  stop() {
    const was = Boolean(this.asking);
    this.asking?.abort();
    this.asking = null;
    return was;
  }

  /** Folds the comparison away. */
  fold() {
    for (const each of this.answers.querySelectorAll("details")) each.open = false;
  }

  async #askOne(model, shown, place, signal) {
    const bubble = element("p", { class: "bubble theirs waiting", "aria-label": say("thinking") });
    bubble.append(...[0, 1, 2].map(() => element("span", { class: "blink" })));
    shown.replaceChildren(...this.#nameModel(model), bubble);
    try {
      const found = await compare(this.#describe(model), signal);
      signal.throwIfAborted();
      this.#show(found, model, shown, place);
    } catch (error) {
      const text = signal.aborted ? say("stopped") : explain(error);
      if (!signal.aborted || this.asking === null) this.#showError(text, error, model, shown);
    }
  }

  #describe(model) {
    const { settings } = this.state.describe(model);
    const names = new Set(settings.map((item) => item.name));
    const chosen = Object.entries(this.state.settings).filter(([name]) => names.has(name));
    const turns = [...this.hooks.before(), this.line];
    const read = this.state.context ?? MOST_TURNS;
    return { model, turns: turns.slice(-read), settings: Object.fromEntries(chosen), prefix: this.prefix };
  }

  #show(found, model, shown, place) {
    const text = element("span");
    const bubble = makeBubble("theirs", "bot", text);
    const panel = new Panel(found, {
      onpick: (reply) => {
        text.textContent = reply.text || say("empty");
        if (place) return;
        this.reply = reply.text;
        this.hooks.onreply();
      },
      onbegin: (prefix) => this.hooks.onask(this, prefix),
    });
    const how = element("details", { open: true }, element("summary", {}, say("comparison")), panel.element);
    shown.replaceChildren(...this.#nameModel(model), bubble, how);
    panel.reveal();
    if (this.hadFocus && !place) focusTree(panel.element);
    announce(`${model}: ${text.textContent}`);
  }

  #showError(text, error, model, shown) {
    const again = element("button", { type: "button", onclick: () => this.hooks.onask(this, this.prefix) }, say("retry"));
    const body = error.status === 401 ? this.#askForKey() : again;
    const bubble = element("div", { class: "bubble theirs failed", role: "alert" }, element("p", {}, text), body);
    shown.replaceChildren(...this.#nameModel(model), bubble);
  }

  #askForKey() {
    return makeKeyForm(() => this.hooks.onask(this, this.prefix));
  }

  #nameModel(model) {
    return this.state.other ? [element("h3", {}, model)] : [];
  }
}

/** Makes a bubble that tells a screen reader who speaks. */
function makeBubble(side, who, content) {
  const name = element("span", { class: "unseen" }, `${say(who)}: `);
  return element("p", { class: `bubble ${side}` }, name, content);
}

function focusTree(panel) {
  panel.querySelector("[role=treeitem][tabindex='0']")?.focus({ preventScroll: true });
}

/** Makes a form that keeps the server's key, then calls `onkey`. */
export function makeKeyForm(onkey) {
  const input = element("input", { type: "password", required: true, autocomplete: "off" });
  const submit = (event) => {
    event.preventDefault();
    keepKey(input.value.trim());
    onkey();
  };
  const label = element("label", {}, `${say("key")} `, input);
  return element("form", { class: "key", onsubmit: submit }, label, element("button", {}, say("useKey")));
}

/** Says what went wrong, in the server's words where it has some. */
export function explain(error) {
  if (error.status === 401) return say("keyNeeded");
  return error.message || say("offline");
}
