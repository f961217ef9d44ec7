/// Makes typed values of a `JSONValue`, with errors that always know the member they are about.
struct JSONValueDecoder: Decoder {
    let value: JSONValue
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// - Throws: `DecodingError`.
    static func decode<T: Decodable>(_ type: T.Type, from value: JSONValue) throws -> T {
        try T(from: JSONValueDecoder(value: value, codingPath: []))
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard let members = value.members else { throw mismatch([String: Int].self) }
        return KeyedDecodingContainer(KeyedJSON(members: members, decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let values = value.array else { throw mismatch([Int].self) }
        return UnkeyedJSON(values: values, decoder: self)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

    fileprivate func mismatch(_ type: any Any.Type) -> DecodingError {
        let context = DecodingError.Context(codingPath: codingPath, debugDescription: "")
        return value == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    fileprivate func inside(_ key: any CodingKey, _ value: JSONValue) -> JSONValueDecoder {
        JSONValueDecoder(value: value, codingPath: codingPath + [key])
    }

    fileprivate func whole<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
        guard let number = value.number else { throw mismatch(type) }
        guard let whole = value.integer.flatMap(T.init(exactly:)) ?? T(exactly: number) else {
            throw DecodingError.dataCorrupted(.init(codingPath: codingPath, debugDescription: "must be a whole number that fits"))
        }
        return whole
    }
}

extension JSONValueDecoder: SingleValueDecodingContainer {
    func decodeNil() -> Bool { value == .null }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard let bool = value.bool else { throw mismatch(type) }
        return bool
    }

    func decode(_ type: String.Type) throws -> String {
        guard let text = value.string else { throw mismatch(type) }
        return text
    }

    func decode(_ type: Double.Type) throws -> Double {
        guard let number = value.number else { throw mismatch(type) }
        return number
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
    func decode(_ type: Int.Type) throws -> Int { try whole(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try whole(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try whole(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try whole(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try whole(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try whole(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try whole(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try whole(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try whole(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try whole(type) }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        if let value = value as? T { return value }
        return try T(from: self)
    }
}

private struct KeyedJSON<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let members: [JSONValue.Member]
    let decoder: JSONValueDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }
    var allKeys: [Key] { members.compactMap { Key(stringValue: $0.name) } }

    private func inner(_ key: any CodingKey) throws -> JSONValueDecoder {
        guard let member = members.first(where: { $0.name == key.stringValue }) else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: ""))
        }
        return decoder.inside(key, member.value)
    }

    func contains(_ key: Key) -> Bool { members.contains { $0.name == key.stringValue } }
    func decodeNil(forKey key: Key) throws -> Bool { try inner(key).decodeNil() }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try inner(key).decode(type) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try inner(key).decode(type) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try inner(key).decode(type) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try inner(key).decode(type) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try inner(key).decode(type) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try inner(key).decode(type) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try inner(key).decode(type) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try inner(key).decode(type) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try inner(key).decode(type) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try inner(key).decode(type) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try inner(key).decode(type) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try inner(key).decode(type) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try inner(key).decode(type) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try inner(key).decode(type) }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try inner(key).decode(type) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try inner(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try inner(key).unkeyedContainer() }
    func superDecoder() throws -> any Decoder { decoder }
    func superDecoder(forKey key: Key) throws -> any Decoder { try inner(key) }
}

private struct UnkeyedJSON: UnkeyedDecodingContainer {
    private struct Index: CodingKey {
        let number: Int
        var stringValue: String { "\(number)" }
        var intValue: Int? { number }
        init(_ number: Int) { self.number = number }
        init?(stringValue: String) { nil }
        init?(intValue: Int) { number = intValue }
    }

    let values: [JSONValue]
    let decoder: JSONValueDecoder
    private(set) var currentIndex = 0

    init(values: [JSONValue], decoder: JSONValueDecoder) {
        self.values = values
        self.decoder = decoder
    }

    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { values.count }
    var isAtEnd: Bool { currentIndex >= values.count }

    private mutating func next() throws -> JSONValueDecoder {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                Any.self, .init(codingPath: codingPath + [Index(currentIndex)], debugDescription: ""))
        }
        defer { currentIndex += 1 }
        return decoder.inside(Index(currentIndex), values[currentIndex])
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, values[currentIndex] == .null else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().decode(type) }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try next().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { try next() }
}

extension JSONValue: Decodable {
    /// From JSON only, as a member of a larger body.
    public init(from decoder: any Decoder) throws {
        guard let decoder = decoder as? JSONValueDecoder else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "is read from JSON only"))
        }
        self = decoder.value
    }
}
