"""Where rows come from and how they are cut: by the data, never by workers or memory."""
