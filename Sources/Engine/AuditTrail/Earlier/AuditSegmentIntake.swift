import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// Reads events out of a backup's file.
struct AuditEventDecoder {
    private static let idBytesMax = 255
    private static let actionBytesMax = 255
    private static let userBytesMax = 1024

    private let columns: [LosslessColumn]
    /// For each column of the log, where the file has it.
    private let places: [Int]

    /// - Throws: `LosslessError` if a column is missing.
    init(_ columns: [LosslessColumn]) throws {
        self.columns = columns
        places = try AuditEntities.columns.map { wanted in
            guard let place = columns.firstIndex(of: wanted) else {
                throw LosslessError(line: 1, "the column ‘\(wanted.name)’ is missing")
            }
            return place
        }
    }

    /// - Throws: `LosslessError` for a row that is no event.
    func event(_ row: LosslessRow) throws -> AuditEarlierEvent {
        func value(_ index: Int) throws -> LosslessValue {
            try LosslessCSVReader.value(row[places[index]], of: columns[places[index]], line: row.line)
        }
        func text(_ index: Int, atMost limit: Int = .max) throws -> String? {
            guard let text = try value(index).text else { return nil }
            guard text.utf8.count <= limit, !text.utf8.contains(0) else {
                throw LosslessError(line: row.line, "the column \(columns[places[index]].name) has no value that can be stored")
            }
            return text
        }
        let id = try text(1, atMost: Self.idBytesMax)
        let user = try text(3, atMost: Self.userBytesMax)
        guard case .integer(let seq) = try value(0), seq > 0, let at = try value(2).instant,
            let action = try text(4, atMost: Self.actionBytesMax), id != ""
        else { throw LosslessError(line: row.line, "this is no event") }
        var details: String?
        if case .json(let json) = try value(9) {
            guard json.utf8.first == UInt8(ascii: "{"), !json.utf8.contains(0) else {
                throw LosslessError(line: row.line, "the details of an event are an object")
            }
            details = json
        }
        let event = AuditEvent(
            id: id, at: at, user: user, action: AuditAction(rawValue: action), target: try text(5), address: try text(6),
            requestID: try text(7), outcome: try text(8))
        return AuditEarlierEvent(
            origin: seq, id: id, at: at.microseconds, user: user, action: action, body: event.body(details: details))
    }
}

/// Takes events out of a backup's file, into a segment that nobody sees yet.
final class AuditSegmentIntake: RowIntake {
    /// Each write has a seal of its own, and asks for each event whether it is there already.
    static let eventsPerWrite = 1000

    private let decoder: AuditEventDecoder
    private let segment: Int64
    private let log: String?
    private let tenant: TenantID
    private var waiting: [AuditEarlierEvent] = []

    /// - Parameter log: that of the tenant itself.
    init(_ columns: [LosslessColumn], into segment: Int64, log: String?, of tenant: TenantID) throws {
        decoder = try AuditEventDecoder(columns)
        (self.segment, self.log, self.tenant) = (segment, log, tenant)
    }

    var count: Int { waiting.count }

    func take(_ row: LosslessRow) throws { waiting.append(try decoder.event(row)) }

    func drain(_ rowsMax: Int) -> @Sendable (any SQLSession) throws -> Void {
        let events = Array(waiting.prefix(min(rowsMax, Self.eventsPerWrite)))
        waiting.removeFirst(events.count)
        return { [segment, log, tenant] session in
            try AuditStore(isEnabled: true).add(events, to: segment, log: log, of: tenant, in: session)
        }
    }
}

/// Looks which events of a backup's file would come.
final class AuditSegmentRehearsal: RowRehearsal {
    private let decoder: AuditEventDecoder
    private let origin: String
    private let log: String?
    private let tenant: TenantID
    private var waiting: [AuditEarlierEvent] = []

    /// - Parameters:
    ///   - origin: the log that gave the events their numbers.
    ///   - log: that of the tenant itself.
    init(_ columns: [LosslessColumn], from origin: String, log: String?, of tenant: TenantID) throws {
        decoder = try AuditEventDecoder(columns)
        (self.origin, self.log, self.tenant) = (origin, log, tenant)
    }

    var count: Int { waiting.count }

    func take(_ row: LosslessRow) throws { waiting.append(try decoder.event(row)) }

    func drain() -> @Sendable (any SQLSession) throws -> RowChanges {
        let events = Array(waiting.prefix(AuditSegmentIntake.eventsPerWrite))
        waiting.removeFirst(events.count)
        return { [origin, log, tenant] session in
            var changes = RowChanges()
            let known = try AuditStore(isEnabled: true).known(
                events, of: origin, log: log, with: nil, of: tenant, in: session)
            changes.equal = Int64(known.count)
            changes.added = Int64(events.count - known.count)
            return changes
        }
    }
}
