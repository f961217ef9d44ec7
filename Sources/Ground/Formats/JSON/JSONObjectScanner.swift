/// A member of an object.
public struct JSONMember: Sendable, Hashable {
    /// A string, with its quotes.
    public let name: JSONValue
    public let value: JSONValue

    @usableFromInline init(name: JSONValue, value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// Scans one JSON object and lists where its members lie. It is used again and again for many objects, and allocates only when
/// one has more members than any before. Duplicate names are listed as they stand.
public final class JSONObjectScanner {
    private let depthMax: Int
    private let membersMax: Int
    @exclusivity(unchecked) @usableFromInline var members: UnsafeMutablePointer<JSONMember>
    @exclusivity(unchecked) private var capacity = 64
    /// The members of the object that was scanned last.
    @exclusivity(unchecked) public private(set) var count = 0

    /// - Parameters:
    ///   - depthMax: how deep arrays and objects may be nested, the object itself included; at most 64.
    ///   - membersMax: an object with more members is too large.
    public init(depthMax: Int = 64, membersMax: Int = 16_384) {
        self.depthMax = depthMax
        self.membersMax = membersMax
        members = .allocate(capacity: capacity)
    }

    deinit {
        members.deallocate()
    }

    @inlinable public subscript(index: Int) -> JSONMember {
        precondition(index >= 0 && index < count)
        return members[index]
    }

    /// Scans `bytes`, which must be one object and white space around it.
    public func scan(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
        count = 0
        var cursor = try JSONCursor(bytes, depthMax: depthMax)
        cursor.skipSpace()
        guard cursor.at < cursor.end else { throw cursor.unexpected() }
        guard cursor.base[cursor.at] == UInt8(ascii: "{") else { throw JSONError(.notAnObject, offset: cursor.at) }
        cursor.at &+= 1
        cursor.skipSpace()
        if cursor.at < cursor.end, cursor.base[cursor.at] == UInt8(ascii: "}") {
            cursor.at &+= 1
            return try cursor.expectEnd()
        }
        var found = 0
        while true {
            let start = cursor.at
            guard start < cursor.end, cursor.base[start] == 0x22 else { throw cursor.unexpected() }
            let name = JSONValue(kind: try cursor.string(), start: start, end: cursor.at)
            cursor.skipSpace()
            try cursor.expect(UInt8(ascii: ":"))
            cursor.skipSpace()
            let value = try cursor.value(depth: 1)
            if found == capacity { try grow(at: start) }
            members[found] = JSONMember(name: name, value: value)
            found &+= 1
            cursor.skipSpace()
            guard cursor.at < cursor.end else { throw cursor.unexpected() }
            let byte = cursor.base[cursor.at]
            guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") else { throw cursor.unexpected() }
            cursor.at &+= 1
            if byte == UInt8(ascii: "}") { break }
            cursor.skipSpace()
        }
        try cursor.expectEnd()
        count = found
    }

    private func grow(at offset: Int) throws(JSONError) {
        guard capacity < membersMax else { throw JSONError(.tooLarge, offset: offset) }
        let wanted = min(membersMax, capacity * 2)
        let larger = UnsafeMutablePointer<JSONMember>.allocate(capacity: wanted)
        larger.update(from: members, count: capacity)
        members.deallocate()
        members = larger
        capacity = wanted
    }
}
