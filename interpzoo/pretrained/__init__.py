"""Pretrained models: finding, loading, checking, saving and uploading their folders, and the cards in them."""
