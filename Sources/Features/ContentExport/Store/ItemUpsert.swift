import SeededBugs
import WaybillDatabases

/// One batch on its way into the tables.
struct ItemUpsert {
    private let batch: ItemBatch
    private let writing: ContentWriting
    private let store: ContentStore
    private let session: any SQLSession
    private let space: Int64
    private let type: Int64
    private var acls: [ContentReaders: Int64] = [:]
    private var counts: [Int64: Int] = [:]
    private var languages: Set<String> = []
    /// Rows whose present version a cut needs.
    private var kept: [String] = []
    /// Index rows that are in the table already.
    private var presentEntries: Set<EntryPlace> = []

    init(batch: ItemBatch, writing: ContentWriting, store: ContentStore, session: any SQLSession) {
        self.batch = batch
        self.writing = writing
        self.store = store
        self.session = session
        space = writing.space.id
        type = batch.type.id
    }

    mutating func run() throws -> UpsertOutcome {
        let revision = try session.first("SELECT revision FROM content_types WHERE space = $1 AND type_id = $2", space, type) {
            $0.int64(0)
        }
        guard revision == batch.type.revision else {
            throw ContentError(.typeChanged, "the type \(batch.type.name) was changed meanwhile")
        }
        guard !batch.items.isEmpty else { return UpsertOutcome(updated: batch.replaced) }
        var old = StoredRowCursor([])
        if try store.itemCount(type: type, space: space, in: session) > 0 {
            old = StoredRowCursor(
                try store.storedRows(ids: batch.items.map(\.id), of: batch.type, space: space, in: session))
        }
        var outcome = UpsertOutcome(updated: batch.replaced)
        let indexer = ItemIndexer(batch.type, fields: batch.type.indexedFields)
        var rowACLs: [Int64] = []
        rowACLs.reserveCapacity(batch.items.count)
        var lastLanguage: String?
        for index in batch.items.indices {
            let acl = try acl(of: batch.items[index].readers)
            rowACLs.append(acl)
            if let language = batch.items[index].language, language != lastLanguage {
                languages.insert(language)
                lastLanguage = language
            }
            if let row = old.row(batch.items[index].id) {
                outcome.updated += 1
                try replace(row, by: index, acl: acl, indexer: indexer)
            } else {
                outcome.inserted += 1
                counts[acl, default: 0] += 1
            }
        }
        try store.keepVersions(of: kept, type: type, by: writing, in: session)
        try insertItems(rowACLs, replacing: outcome.updated > batch.replaced)
        if !SeededBug.skipsIndexRow || outcome.inserted == 0 { try insertEntries() }
        for language in languages.sorted() {
            try session.execute(
                """
                INSERT INTO content_languages (space, type_id, language) VALUES ($1, $2, $3)
                ON CONFLICT (space, type_id, language) DO NOTHING
                """, space, type, language)
        }
        try store.addCounts(counts, type: type, space: space, in: session)
        return outcome
    }

    private mutating func acl(of readers: ContentReaders?) throws -> Int64 {
        guard let readers else { return ContentStore.inheritedACL }
        if let known = acls[readers] { return known }
        let acl = try store.acl(of: readers, space: space, in: session)
        acls[readers] = acl
        return acl
    }

    /// Leaves the old version behind if a cut needs it, and takes those index rows away that the new one hasn't.
    private mutating func replace(_ row: StoredRow, by index: Int, acl: Int64, indexer: ItemIndexer) throws {
        let item = batch.items[index]
        if row.acl != acl {
            counts[row.acl, default: 0] -= 1
            counts[acl, default: 0] += 1
        }
        let entries = indexer.isEmpty ? [] : try indexer.entries(of: row.body ?? "[]")
        if writing.keepsVersion(of: row.epoch) {
            kept.append(row.id)
            try store.keepEntries(entries, of: row.id, type: type, by: writing, in: session)
        }
        for entry in entries where !item.entries.contains(entry) {
            try store.deleteEntry(entry, id: item.id, type: type, space: space, in: session)
        }
        for (place, entry) in item.entries.enumerated() where entries.contains(entry) {
            presentEntries.insert(EntryPlace(item: index, entry: place))
        }
    }

    private func insertItems(_ rowACLs: [Int64], replacing: Bool) throws {
        let statements = UpsertStatements.of(session.dialect, replacing: replacing)
        let epoch = SQLValue.integer(writing.space.epoch)
        for rows in batch.rows.items {
            let first = rows.range.lowerBound
            guard rows.values.isEmpty else {
                try session.execute(
                    rows.range.count == 1 ? statements.item : statements.items,
                    arguments: [
                        .integer(space), .integer(type), epoch, .integer(rowACLs[first]), batch.items[first].language.sqlValue,
                    ], rows: rows.values)
                continue
            }
            var values: [SQLValue] = []
            values.reserveCapacity(4 * rows.range.count)
            for index in rows.range {
                let item = batch.items[index]
                values += [.integer(rowACLs[index]), item.language.sqlValue, .text(item.id), .text(item.body)]
            }
            try session.execute(
                statements.variousItems, arguments: [.integer(space), .integer(type), epoch], rows: values)
        }
    }

    /// New index rows in the order of their table.
    private func insertEntries() throws {
        let statements = UpsertStatements.of(session.dialect, replacing: false)
        var rows = batch.rows.entries
        if !presentEntries.isEmpty {
            let places = EntryPlace.sorted(batch.items).filter { !presentEntries.contains($0) }
            rows = BatchRows.entries(places, of: batch.items)
        }
        for values in rows {
            try session.execute(
                values.count == 3 ? statements.entry : statements.entries, arguments: [.integer(space), .integer(type)],
                rows: values)
        }
    }
}
