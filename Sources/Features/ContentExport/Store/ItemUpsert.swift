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

    /// Rows of one statement; more make it no faster.
    private static let rowsPerStatement = 32

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

    /// The rows, some in a statement. Those of one statement mostly share language and rights, which are bound once then.
    private func insertItems(_ rowACLs: [Int64], replacing: Bool) throws {
        let items = batch.items
        var start = 0
        while start < items.count {
            var end = min(start + Self.rowsPerStatement, items.count)
            // Two texts of statement only: full ones, and single rows.
            if end - start < Self.rowsPerStatement { end = start + 1 }
            let isUniform = (start..<end).allSatisfy {
                rowACLs[$0] == rowACLs[start] && items[$0].language == items[start].language
            }
            var arguments: [SQLValue] = []
            arguments.reserveCapacity(4 * (end - start) + 3)
            for index in start..<end {
                if index == start {
                    arguments += [.integer(space), .integer(type), .text(items[index].id), .integer(writing.space.epoch)]
                } else {
                    arguments.append(.text(items[index].id))
                }
                if index == start || !isUniform {
                    arguments.append(.integer(rowACLs[index]))
                    arguments.append(items[index].language.sqlValue)
                }
                arguments.append(.text(items[index].body))
            }
            let text = Self.statement(rows: end - start, isUniform: isUniform, replacing: replacing)
            try session.execute(text, arguments: arguments)
            start = end
        }
    }

    private static func statement(rows: Int, isUniform: Bool, replacing: Bool) -> String {
        switch (rows == 1, isUniform, replacing) {
        case (true, _, false): single
        case (true, _, true): singleReplacing
        case (false, true, false): uniform
        case (false, true, true): uniformReplacing
        case (false, false, false): various
        case (false, false, true): variousReplacing
        }
    }

    private static let single = text(rows: 1, isUniform: true)
    private static let uniform = text(rows: rowsPerStatement, isUniform: true)
    private static let various = text(rows: rowsPerStatement, isUniform: false)
    private static let conflict = """
         ON CONFLICT (space, type_id, id) DO UPDATE \
        SET epoch = excluded.epoch, acl = excluded.acl, language = excluded.language, body = excluded.body
        """
    private static let singleReplacing = single + conflict
    private static let uniformReplacing = uniform + conflict
    private static let variousReplacing = various + conflict

    private static func text(rows: Int, isUniform: Bool) -> String {
        var next = 8
        let later = (1..<max(rows, 1)).map { _ in
            defer { next += isUniform ? 2 : 4 }
            return isUniform
                ? "($1,$2,$\(next),$4,$5,$6,$\(next + 1))" : "($1,$2,$\(next),$4,$\(next + 1),$\(next + 2),$\(next + 3))"
        }
        return "INSERT INTO content_items (space, type_id, id, epoch, acl, language, body) VALUES "
            + (["($1,$2,$3,$4,$5,$6,$7)"] + later).joined(separator: ",")
    }

    /// New index rows in the order of their table.
    private func insertEntries() throws {
        let items = batch.items
        let places = presentEntries.isEmpty ? batch.entries : batch.entries.filter { !presentEntries.contains($0) }
        var start = 0
        while start < places.count {
            var end = min(start + Self.rowsPerStatement, places.count)
            if end - start < Self.rowsPerStatement { end = start + 1 }
            var arguments: [SQLValue] = []
            arguments.reserveCapacity(2 + 3 * (end - start))
            arguments.append(.integer(space))
            arguments.append(.integer(type))
            for place in places[start..<end] {
                let entry = items[place.item].entries[place.entry]
                arguments.append(.integer(entry.index))
                arguments.append(.text(entry.value))
                arguments.append(.text(items[place.item].id))
            }
            try session.execute(end - start == 1 ? Self.singleEntry : Self.manyEntries, arguments: arguments)
            start = end
        }
    }

    private static let singleEntry = entryText(rows: 1)
    private static let manyEntries = entryText(rows: rowsPerStatement)

    private static func entryText(rows: Int) -> String {
        let values = (0..<rows).map { "($1,$2,$\(3 + 3 * $0),$\(4 + 3 * $0),$\(5 + 3 * $0))" }.joined(separator: ",")
        return "INSERT INTO content_index (space, type_id, field_id, value, id) VALUES \(values)"
            + " ON CONFLICT (space, type_id, field_id, value, id) DO NOTHING"
    }
}
