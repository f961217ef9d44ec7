import AuditTrail
import Formats
import WaybillEngine
import Web

/// Why something is no event.
struct AuditEventFault: Error, Sendable {
    var field: String
    var reason: String
}

/// Reads the events of other programs.
enum AuditEventReader {
    private static let names: Set = ["id", "user", "action", "at", "target", "address", "requestId", "outcome"]

    static let schema = Schema.body([
        "id": .string(1...255).described("an event whose id is known is passed over").optional,
        "user": .string(1...255).described("nobody, if it is left out").optional, "action": .string(1...100),
        "at": .dateTime, "target": .string(0...1024), "address": .string(0...255).optional,
        "requestId": .string(0...255).optional, "outcome": .string(0...64).optional,
    ])

    static func event(_ json: Web.JSONValue) throws(AuditEventFault) -> AuditEvent {
        guard let members = json.members else { throw AuditEventFault(field: "event", reason: "must be an object") }
        for member in members where !names.contains(member.name) {
            throw AuditEventFault(field: String(member.name.prefix(100)), reason: "unknown")
        }
        let action = AuditAction(rawValue: try required(json, "action", 1...100))
        if action.isBuiltIn { throw AuditEventFault(field: "action", reason: "is one that only Waybill itself records") }
        var at = try required(json, "at", 1...64)
        guard let instant = at.withUTF8({ RFC3339.parse($0) }) else {
            throw AuditEventFault(field: "at", reason: "must be a time as 2026-11-22T09:30:00Z")
        }
        return AuditEvent(
            id: try text(json, "id", 1...255), at: Timestamp(microseconds: instant), user: try text(json, "user", 1...255),
            action: action, target: try required(json, "target", 0...1024), address: try text(json, "address", 0...255),
            requestID: try text(json, "requestId", 0...255), outcome: try text(json, "outcome", 0...64))
    }

    private static func required(
        _ json: Web.JSONValue, _ name: String, _ length: ClosedRange<Int>
    ) throws(AuditEventFault) -> String {
        guard let text = try text(json, name, length) else { throw AuditEventFault(field: name, reason: "is missing") }
        return text
    }

    private static func text(
        _ json: Web.JSONValue, _ name: String, _ length: ClosedRange<Int>
    ) throws(AuditEventFault) -> String? {
        guard let value = json[name], value != .null else { return nil }
        guard let text = value.string else { throw AuditEventFault(field: name, reason: "must be a text") }
        guard length.contains(text.utf8.count) else {
            throw AuditEventFault(field: name, reason: "must have \(length.lowerBound) to \(length.upperBound) bytes")
        }
        return text
    }
}

/// Writes stored events as objects, as an export does.
enum AuditEventText {
    /// Members in the order of the log; what has no value is left out.
    static func append(_ seq: Int64, _ body: String, to out: OutputBuffer) {
        out.append("{\"seq\":")
        out.appendDecimal(seq)
        var body = body
        body.withUTF8 { bytes in
            guard let array = try? Formats.JSONValue.scan(bytes) else { return }
            var elements = array.elements(in: bytes)
            for name in AuditEvent.fields {
                guard let value = elements.next() else { break }
                if value.kind == .null { continue }
                out.append(",\"")
                out.append(utf8: name)
                out.append("\":")
                out.append(value.raw(in: bytes))
            }
        }
        out.append(UInt8(ascii: "}"))
    }

    static let schema = Schema.object([
        "seq": .integer.described("its place in the tenant's log; less than 1 for what a restore has brought"),
        "id": .string.optional, "at": .dateTime,
        "user": .string.optional, "action": .string, "target": .string.optional, "address": .string.optional,
        "requestId": .string.optional, "outcome": .string.optional, "details": Schema.anyObject.optional,
    ])
}
