extension Schema {
    // `kind`: client or worker. `endpoints`: names with commas between them; NULL: all.
    static let workerKeys = """
        ALTER TABLE apiKey ADD COLUMN kind TEXT NOT NULL DEFAULT 'client';
        ALTER TABLE apiKey ADD COLUMN endpoints TEXT;
        """
}
