"""The machine around the chatbot: paths, files, lines of text, the terminal, signals."""
