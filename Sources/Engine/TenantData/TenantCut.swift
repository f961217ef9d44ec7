import Formats
import WaybillEngine

/// What is being taken of a tenant for a job, in one transaction.
public struct TenantCut: Sendable {
    /// A row that was copied: its values as a JSON array, in the order of the entity's columns.
    public struct Row: Sendable, Hashable {
        public var entity: String
        public var values: String
    }

    public let job: String
    public let tenant: TenantID
    public let at: Timestamp
    /// What the groups noted with the cut of the backup before, by group: what they take are the changes since then. nil: they
    /// take everything.
    public let base: [String: String]?
    /// What a later cut needs to know of this one to tell what has changed, by group.
    public private(set) var notes: [String: String] = [:]
    public private(set) var entities: [EntityCut] = []
    public private(set) var copied: [Row] = []

    public init(job: String, tenant: TenantID, at: Timestamp, base: [String: String]? = nil) {
        self.base = base
        self.job = job
        self.tenant = tenant
        self.at = at
    }

    /// Notes what tells a later cut what has changed since this one.
    public mutating func note(_ text: String, for group: String) {
        notes[group] = text
    }

    /// Adds an entity whose rows can be read later as they are now.
    public mutating func add(_ entity: EntityCut) {
        entities.append(entity)
    }

    /// Adds an entity whose rows change, and are few: they are copied here and now.
    public mutating func copy(_ entity: EntityCut, rows: [[LosslessValue]]) {
        var entity = entity
        entity.plan = nil
        entity.rows = Int64(rows.count)
        entities.append(entity)
        let out = OutputBuffer(capacity: 1024)
        for row in rows {
            Self.append(row, to: out)
            copied.append(Row(entity: entity.name, values: String(decoding: out.takeBytes(), as: UTF8.self)))
        }
    }

    private static func append(_ row: [LosslessValue], to out: OutputBuffer) {
        out.append(UInt8(ascii: "["))
        let cell = OutputBuffer(capacity: 256)
        for (index, value) in row.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            switch value {
            case .null: out.append("null")
            case .integer(let value): out.appendDecimal(value)
            case .boolean(let value): out.append(value ? "true" : "false")
            case .json(let json): out.append(utf8: json)
            case .text(let text): JSONWriter.string(text, to: out)
            case .number, .instant, .bytes:
                // As it stands in the file, without the comma.
                _ = LosslessCSVWriter(columnCount: 2).value(value, to: cell)
                cell.truncate(to: max(0, cell.count - 1))
                JSONWriter.string(value == .bytes([]) ? "" : String(decoding: cell.takeBytes(), as: UTF8.self), to: out)
            }
        }
        out.append(UInt8(ascii: "]"))
    }
}
