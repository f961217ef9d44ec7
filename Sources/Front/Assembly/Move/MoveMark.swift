import Foundation
import WaybillDatabases

/// What a database knows of moves: that its installation has gone elsewhere, or has come from there. A server does not start on
/// one that is left, or half filled.
struct MoveMark: Sendable, Hashable {
    enum Side: String, Sendable { case source, target }
    enum State: String, Sendable { case begun, done }

    /// The same on both sides.
    var id: String
    var side: Side
    var state: State
    /// The other side, for people.
    var place: String

    /// The mark that counts: of a move away from here, else of one to here.
    static func read(in session: any SQLSession) throws -> MoveMark? {
        guard try session.count(session.dialect.tableCount, "schema_moves") > 0 else { return nil }
        return try session.first(
            "SELECT id, side, state, place FROM schema_moves ORDER BY side, began_at DESC LIMIT 1"
        ) { row in
            Side(rawValue: row.string(1)).map {
                MoveMark(id: row.string(0), side: $0, state: State(rawValue: row.string(2)) ?? .begun, place: row.string(3))
            }
        } ?? nil
    }

    func write(in session: any SQLSession, now: Int64) throws {
        let text = session.dialect.text
        try session.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_moves (id \(text) NOT NULL, side \(text) NOT NULL, state \(text) NOT NULL,
                place \(text) NOT NULL, began_at BIGINT NOT NULL, PRIMARY KEY (id, side))
            """)
        try session.execute(
            """
            INSERT INTO schema_moves (id, side, state, place, began_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (id, side) DO UPDATE SET state = excluded.state
            """, id, side.rawValue, state.rawValue, place, now)
    }

    /// The move is not wanted any more.
    func remove(in session: any SQLSession) throws {
        try session.execute("DELETE FROM schema_moves WHERE id = $1 AND side = $2", id, side.rawValue)
    }

    /// Why no server may start on the database; nil if one may.
    var refusal: String? {
        switch (side, state) {
        case (.source, .done): "this installation was moved to \(place); start it there"
        case (.source, .begun):
            "this installation is being moved to \(place), and the move has not ended; run `waybill move` again, or give it up "
                + "with `waybill move --give-up`"
        case (.target, .begun):
            "an installation is being moved here from \(place), and the move has not ended; run `waybill move` again"
        case (.target, .done): nil
        }
    }

    /// - Throws: `SQLError` with code `.schema` where no server may start.
    static func check(_ database: any SQLDatabase) async throws {
        if let refusal = try await database.read({ try read(in: $0) })?.refusal { throw SQLError(.schema, refusal) }
    }
}
