"""Where jobs go before they leave the store."""
