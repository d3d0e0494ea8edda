"""Jobs of the quick lane, as a part of the pages that started them."""
