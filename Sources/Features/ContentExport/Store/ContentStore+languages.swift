import WaybillDatabases

extension ContentStore {
    /// Whether an item of the type has ever had a language.
    func hasLanguages(type: Int64, space: Int64, in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_languages WHERE space = $1 AND type_id = $2 LIMIT 1", space, type) { _ in true }
            ?? false
    }
}

extension ContentStore {
    /// Whether there is anything for `sweep` to look at.
    func hasChores(in session: any SQLSession) throws -> Bool {
        try session.first("SELECT 1 FROM content_chores LIMIT 1") { _ in true } ?? false
    }
}
