import WaybillDatabases

/// What backups and restores look at besides.
extension ContentStore {
    /// An item as it stands in its row.
    func storedText(
        _ id: String, of type: ContentType, space: Int64, in session: any SQLSession
    ) throws -> (body: String, language: String?, readers: ContentReaders?)? {
        let found = try session.first(
            "SELECT body, language, acl FROM content_items WHERE space = $1 AND type_id = $2 AND id = $3", space, type.id, id
        ) { (body: $0.string(0), language: $0.optionalString(1), acl: $0.int64(2)) }
        guard let found else { return nil }
        return (found.body, found.language, try readers(ofACL: found.acl, in: session))
    }

    /// The lists of readers with a number above another.
    func readerTexts(after acl: Int64, space: Int64, in session: any SQLSession) throws -> [(acl: Int64, text: [UInt8])] {
        try session.all("SELECT acl, readers FROM content_acls WHERE space = $1 AND acl > $2 ORDER BY acl", space, acl) {
            ($0.int64(0), $0.bytes(1))
        }
    }
}
