"""Programs for whoever works on the chatbot."""
