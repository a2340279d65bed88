// The page's words, in the browser's language.

const ENGLISH = {
  model: "Model", beside: "Compare with", none: "none", settings: "Settings", copyLink: "Copy link",
  copied: "Link copied", notCopied: "It is in the address bar", reset: "New chat", line: "Your line", placeholder: "Write a line…",
  send: "Send", stop: "Stop", stopped: "Stopped.", retry: "Try again", thinking: "Replying…",
  welcome: "See how a reply is found",
  welcomeMore: "Each line is answered by greedy search, beam search and samples. One tree shows what all of them considered.",
  offline: "The server does not answer. Is it still running?", cut: "Only the beginning of the line was read.",
  keyNeeded: "This server wants a key.", key: "Key", useKey: "Use it",
  greedy: "Greedy", beam: "Beam", samples: "Samples", noReply: "No reply keeps to the rules.",
  useReply: "Go on with this reply", score: "score", times: "{count} times",
  comparison: "How it was found", reads: "What the model reads", noAttention: "This model has no attention.",
  tree: "Tree of all hypotheses", empty: "(nothing)",
  steps: "Steps", play: "Play", dropped: "Dropped", showDropped: "Show what the beam dropped",
  start: "start", end: "end", endWord: "end of the reply",
  begins: "Begins with", fromStart: "From the start", decodeOn: "Decode on with {word}",
  likeliest: "Likeliest words", after: "after “{words}”", first: "at the beginning", banned: "banned",
  hint: "Hover over a word or go to it with the arrow keys; click it or press Enter to decode on from it.",
  touchHint: "Tap a word to look at it; tap it again to decode on from it.",
  probability: "probability", allowed: "among what the rules allow",
  parts: "Score, taken apart", modelLogProb: "log p of the model", allowedLogProb: "log p among what the rules allow",
  mmi: "− MMI: {weight} × ({part})", divisor: "÷ length", coverage: "+ coverage: {weight} × ({part})", total: "= score",
  json: "Save JSON", svg: "Save SVG", context: "Turns the model reads", defaults: "Back to the model's own",
  describe: "{words} words · {layers} × {units} units · {attention} · {engine}",
  withAttention: "{name} attention", withoutAttention: "no attention", you: "You", bot: "Bot",
};

const CHINESE = {
  model: "模型", beside: "对照模型", none: "无", settings: "设置", copyLink: "复制链接",
  copied: "链接已复制", notCopied: "链接在地址栏里", reset: "新对话", line: "你说的话", placeholder: "说点什么…",
  send: "发送", stop: "停止", stopped: "已停止。", retry: "重试", thinking: "正在回复…",
  welcome: "看看回复是怎么找到的",
  welcomeMore: "每句话都由贪心搜索、束搜索和随机采样分别回答；一棵树画出它们考虑过的一切。",
  offline: "服务器没有应答，它还在运行吗？", cut: "这句话太长，只读了开头。",
  keyNeeded: "这台服务器需要密钥。", key: "密钥", useKey: "使用",
  greedy: "贪心", beam: "束搜索", samples: "采样", noReply: "没有符合规则的回复。",
  useReply: "用这句回复继续", score: "得分", times: "{count} 次",
  comparison: "它是怎么找到的", reads: "模型读到的内容", noAttention: "这个模型没有注意力机制。",
  tree: "所有假设的树", empty: "（空）",
  steps: "步数", play: "播放", dropped: "被舍弃", showDropped: "显示束搜索舍弃的词",
  start: "开头", end: "结束", endWord: "回复结束",
  begins: "以此开头", fromStart: "从头开始", decodeOn: "从“{word}”继续解码",
  likeliest: "最可能的词", after: "在“{words}”之后", first: "在开头", banned: "禁用",
  hint: "把鼠标移到一个词上，或用方向键选择它；单击或按回车键从它继续解码。",
  touchHint: "轻触一个词查看它；再次轻触从它继续解码。",
  probability: "概率", allowed: "在规则允许的词中",
  parts: "得分的组成", modelLogProb: "模型的对数概率", allowedLogProb: "规则允许范围内的对数概率",
  mmi: "− MMI：{weight} × ({part})", divisor: "÷ 长度", coverage: "+ 覆盖：{weight} × ({part})", total: "= 得分",
  json: "保存 JSON", svg: "保存 SVG", context: "模型读几轮对话", defaults: "恢复模型默认值",
  describe: "{words} 个词 · {layers} 层 × {units} 单元 · {attention} · {engine}",
  withAttention: "{name} 注意力", withoutAttention: "无注意力", you: "你", bot: "机器人",
};

const LABELS = {
  beam_size: ["Beam size and samples", "束宽与采样数"],
  max_reply_length: ["Longest reply", "最长回复"],
  min_reply_length: ["Shortest reply", "最短回复"],
  no_repeat_ngram: ["No repeated n-gram of", "不重复的 n 元组"],
  ban_unk: ["Ban unknown words", "禁用未知词"],
  replace_unk: ["Copy unknown words", "复制未知词"],
  length_penalty: ["Length penalty", "长度惩罚"],
  coverage_penalty: ["Coverage penalty", "覆盖惩罚"],
  mmi_weight: ["MMI weight", "MMI 权重"],
  mmi_tokens: ["MMI words", "MMI 词数"],
  diverse_groups: ["Diverse groups", "多样性分组"],
  diversity_strength: ["Diversity strength", "多样性强度"],
  temperature: ["Temperature", "温度"],
  top_k: ["Top k", "Top k"],
  top_p: ["Top p", "Top p"],
  sampling_seed: ["Seed of the samples", "采样种子"],
};

const isChinese = navigator.language.toLowerCase().startsWith("zh");
const WORDS = isChinese ? CHINESE : ENGLISH;

/** The language of the page, for `lang` and for numbers. */
export const language = isChinese ? "zh-CN" : "en";

/** Lines to begin with. */
export const EXAMPLES = isChinese
  ? ["你好", "你叫什么名字？", "hello"]
  : ["hello", "what is your name?", "你好"];

/** Returns a text of the page with {name} filled in. */
export function say(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Returns the label of a setting; its own name where there is none. */
export function nameSetting(name) {
  return LABELS[name]?.[isChinese ? 1 : 0] ?? name;
}

/** Fills in the texts of the elements that name one. */
export function translate(root) {
  root.documentElement.lang = language;
  for (const each of root.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of root.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", say(each.dataset.label));
  }
}

const twoDigits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const number = new Intl.NumberFormat(language, twoDigits);

/** Writes a number with two digits behind the point. */
export function write(value) {
  return value === null ? "–" : number.format(value).replace("-", "−");
}

/** Writes the probability of a log probability in nats. */
export function percent(logProb) {
  if (logProb === null) return "0 %";
  const share = 100 * Math.exp(logProb);
  if (share < 0.1) return "< 0.1 %";
  return `${share >= 10 ? Math.round(share) : share.toFixed(1)} %`;
}
