import Drive
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillPostgres

/// Moves an installation to another database, with jobs in flight, checkpoints, idempotency keys and event numbers, and its
/// files if that is wanted.
///
/// From its beginning on no server starts on either side; from its end on one may start on the new side. Broken off at any
/// moment, it is run again and goes on: what has arrived whole stays.
public struct InstallationMove: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public struct Report: Sendable, Hashable {
        public struct Table: Sendable, Hashable {
            public var name: String
            public var rows: Int
        }

        public var tables: [Table]
        /// nil if the files were not to be moved.
        public var blobs: Int?
        public var blobBytes: Int64?
        /// Jobs that were taken from a process that died in them.
        public var fencedJobs: Int
    }

    private let source: Settings
    private let target: Settings
    private let movesBlobs: Bool
    private let say: @Sendable (String) -> Void
    private var now: Timestamp { SystemTime().now() }

    /// - Parameters:
    ///   - movesBlobs: copies the files, too, from where `source` has them to where `target` has them.
    ///   - say: hears how far it is.
    public init(from source: Settings, to target: Settings, movesBlobs: Bool, say: @escaping @Sendable (String) -> Void) {
        self.source = source
        self.target = target
        self.movesBlobs = movesBlobs
        self.say = say
    }

    /// Moves all, or goes on with that, and compares what has arrived.
    /// - Throws: `Failure`, `SQLError`, `BlobError`; it may be run again.
    public func run() async throws -> Report {
        try await withSide(source, isThere: true) { here in
            try await Migrations.migrator.migrate(here.database, now: now.microseconds)
            return try await withSide(target, isThere: false) { there in
                try await Migrations.migrator.migrate(there.database, now: now.microseconds)
                return try await move(here, there)
            }
        }
    }

    /// Lets servers start on the old side again, while the new one is not whole yet.
    /// - Throws: `Failure` if there is no such move, or it has ended.
    public static func giveUp(_ source: Settings) async throws {
        let side = try MoveSide(source, isThere: true)
        do {
            try await side.database.write { session in
                guard let mark = try MoveMark.read(in: session), mark.side == .source else {
                    throw Failure(description: "no move from here has begun")
                }
                guard mark.state == .begun else { throw Failure(description: "the move to \(mark.place) has ended") }
                try mark.remove(in: session)
            }
        } catch {
            try await side.close()
            throw error
        }
        try await side.close()
    }

    private func withSide<T>(_ settings: Settings, isThere: Bool, _ body: (MoveSide) async throws -> T) async throws -> T {
        let side = try MoveSide(settings, isThere: isThere)
        do {
            let result = try await body(side)
            try await side.close()
            return result
        } catch {
            try await side.close()
            throw error
        }
    }

    private func move(_ here: MoveSide, _ there: MoveSide) async throws -> Report {
        let tables = try await tables(here, there)
        let (mark, fenced, isResumed) = try await begin(here, there, tables)
        var report = Report(tables: [], fencedJobs: fenced)
        if movesBlobs {
            let figures = try await moveBlobs(isResumed: isResumed)
            report.blobs = figures.blobs
            report.blobBytes = figures.bytes
            say(
                "files: \(figures.blobs), \(figures.bytes) bytes, \(figures.found) were there already; compared by SHA-256"
            )
        }
        var counts: [MoveTable: TableCount] = [:]
        for table in tables {
            let count = try await copy(table, here, there, isResumed: isResumed)
            counts[table] = count
            report.tables.append(.init(name: table.name, rows: count.rows))
            say("\(table.name): \(count.rows) rows")
        }
        for table in tables {
            let arrived = try await TablePages(database: there.database, table: table).counted()
            guard arrived == counts[table] else {
                throw Failure(description: "the table \(table.name) has other rows there than here; run it again")
            }
        }
        say("every table has the same count and hash on both sides")
        if movesBlobs { try await moveStaged(there) }
        try await end(mark, here, there)
        return report
    }

    // MARK: Before

    /// What is there on both sides. A table that only one of them has must be empty.
    private func tables(_ here: MoveSide, _ there: MoveSide) async throws -> [MoveTable] {
        let old = try await here.database.read { try MoveTable.all(in: $0) }
        let new = try await there.database.read { try MoveTable.all(in: $0) }
        var moved: [MoveTable] = []
        for var table in old {
            guard let other = new.first(where: { $0.name == table.name }) else {
                let lonely = table
                guard try await here.database.read({ try here.isEmpty([lonely], in: $0) }) else {
                    throw Failure(description: "the table \(table.name) is not there on the other side")
                }
                continue
            }
            let missing = table.columns.filter { !other.columns.contains($0) }
            guard missing.isEmpty, table.key == other.key else {
                throw Failure(description: "the table \(table.name) has other columns on the other side: \(missing)")
            }
            table.columns = table.columns.sorted()
            moved.append(table)
        }
        return moved
    }

    /// Closes both sides to servers, and takes all jobs from whoever may think he runs them.
    private func begin(
        _ here: MoveSide, _ there: MoveSide, _ tables: [MoveTable]
    ) async throws -> (MoveMark, fenced: Int, isResumed: Bool) {
        let arriving = try await there.database.read { try MoveMark.read(in: $0) }
        let leaving = try await here.database.read { try MoveMark.read(in: $0) }
        let known = leaving.flatMap { $0.side == .source ? $0 : nil }
        if let known, known.state == .done, arriving?.id == known.id, arriving?.state == .done {
            throw Failure(description: "the installation was moved to \(known.place) already")
        }
        if leaving?.side == .target, leaving?.state == .begun { throw Failure(description: leaving?.refusal ?? "") }
        let isResumed = arriving != nil
        if let arriving, arriving.side != .target || arriving.state != .begun || arriving.id != known?.id {
            throw Failure(description: "\(there.place) is no new database: it has an installation, or a part of another one")
        }
        guard isResumed || known?.state != .done else {
            throw Failure(description: "the installation was moved to \(known?.place ?? "another place")")
        }
        if !isResumed, try await !there.database.read({ try there.isEmpty(tables, in: $0) }) {
            throw Failure(description: "\(there.place) is not empty")
        }
        let id = known?.id ?? Self.newID
        let now = now
        let silence = source.engine.lease
        let away = MoveMark(id: id, side: .source, state: known?.state ?? .begun, place: there.place)
        let fenced = try await here.database.write { session in
            if session.dialect.name == .postgres, try JobFencing.liveNodes(in: session, within: silence, now: now) > 0 {
                throw Failure(description: "nodes run on \(here.place); stop them all first")
            }
            let fenced = try JobFencing.fenceAll(in: session)
            try away.write(in: session, now: now.microseconds)
            return fenced
        }
        let mark = MoveMark(id: id, side: .target, state: .begun, place: here.place)
        try await there.database.write { try mark.write(in: $0, now: now.microseconds) }
        say("\(isResumed ? "the move goes on" : "both sides are closed to servers"); \(fenced) running jobs were fenced")
        return (mark, fenced, isResumed)
    }

    private static var newID: String {
        SystemRandom.bytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    // MARK: Moving

    private func moveBlobs(isResumed: Bool) async throws -> BlobMove.Figures {
        try await withBlobs { old, new in
            if !isResumed, try await !new.store.list(prefix: "", after: nil, limit: 1).isEmpty {
                throw Failure(description: "the new place for files is not empty")
            }
            return try await BlobMove(source: old.store, target: new.store).run()
        }
    }

    /// Uploads that have not ended have their bytes in a folder, from which no node of the new side could go on. Those to stores
    /// of pools stay where they are.
    private func moveStaged(_ there: MoveSide) async throws {
        let count = try await withBlobs { old, new in
            try await StagedUploads(
                database: there.database, staging: old.staging, blobs: new.store, random: SystemRandom.bytes
            ).keepAsPieces(now: now)
        }
        if count > 0 { say("uploads that have not ended: \(count)") }
    }

    private func withBlobs<T>(_ body: (_ old: OpenBlobs, _ new: OpenBlobs) async throws -> T) async throws -> T {
        let old = try await OpenBlobs(source.blobs.place, data: source.data.folder)
        do {
            let new = try await OpenBlobs(target.blobs.place, data: target.data.folder)
            do {
                let result = try await body(old, new)
                try await new.close()
                try await old.close()
                return result
            } catch {
                try await new.close()
                throw error
            }
        } catch {
            try await old.close()
            throw error
        }
    }

    private func copy(_ table: MoveTable, _ here: MoveSide, _ there: MoveSide, isResumed: Bool) async throws -> TableCount {
        if isResumed {
            let arrived = try await TablePages(database: there.database, table: table).counted()
            let wanted = try await TablePages(database: here.database, table: table).counted()
            if arrived == wanted { return wanted }
            let verb = there.database.dialect.name == .postgres ? "TRUNCATE" : "DELETE FROM"
            try await there.database.write { _ = try $0.execute("\(verb) \(MoveTable.quoted(table.name))") }
        }
        guard let url = target.database.url else { return try await insert(table, here, there) }
        let pages = TablePages(database: here.database, table: table)
        let sql = "COPY \(MoveTable.quoted(table.name)) (\(MoveTable.list(table.columns))) FROM STDIN"
        try await PostgresCopy(url: url).into(sql, pages.map(\.text.bytes))
        return pages.tally.count
    }

    private func insert(_ table: MoveTable, _ here: MoveSide, _ there: MoveSide) async throws -> TableCount {
        let pages = TablePages(database: here.database, table: table, keepsRows: true)
        let sql = table.insert(there.database.dialect)
        for try await page in pages {
            try await there.database.write { session in
                for row in page.rows { try session.execute(sql, arguments: row) }
            }
        }
        return pages.tally.count
    }

    // MARK: After

    /// The old side is closed for good before the new one opens.
    private func end(_ mark: MoveMark, _ here: MoveSide, _ there: MoveSide) async throws {
        if there.database.dialect.name == .postgres {
            try await there.database.write { _ = try $0.execute("ANALYZE") }
        }
        let now = now.microseconds
        let away = MoveMark(id: mark.id, side: .source, state: .done, place: there.place)
        try await here.database.write { try away.write(in: $0, now: now) }
        var arrived = mark
        arrived.state = .done
        let done = arrived
        try await there.database.write { try done.write(in: $0, now: now) }
    }
}
