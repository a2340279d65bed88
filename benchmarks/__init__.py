"""How fast the chatbot is, beside what the machine can do in the same run."""
