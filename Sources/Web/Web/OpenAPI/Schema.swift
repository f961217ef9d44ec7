/// A JSON Schema (2020-12, as OpenAPI 3.1 has it), built from small pieces.
public struct Schema: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public var json: JSONValue
    /// Whether an object can be without this property.
    public var isOptional = false

    public init(_ json: JSONValue) { self.json = json }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        json = .object(elements.map { JSONValue.Member($0.0, $0.1) })
    }

    public static let boolean: Schema = ["type": "boolean"]
    public static let number: Schema = ["type": "number"]
    public static let integer: Schema = ["type": "integer"]
    public static let string: Schema = ["type": "string"]
    public static let uuid: Schema = ["type": "string", "format": "uuid"]
    /// RFC 3339, UTC, milliseconds.
    public static let dateTime: Schema = ["type": "string", "format": "date-time"]
    public static let uri: Schema = ["type": "string", "format": "uri-reference"]
    /// Bytes as they are.
    public static let binary: Schema = ["type": "string", "format": "binary"]
    public static let anything: Schema = [:]
    /// An object with any members.
    public static let anyObject: Schema = ["type": "object"]
    /// 0 to 100.
    public static let percent: Schema = ["type": "number", "minimum": 0, "maximum": 100]
    public static let tenant = Schema.string(pattern: "^[a-z0-9][a-z0-9_-]{0,62}$")

    public static func integer(_ range: ClosedRange<Int>) -> Schema {
        ["type": "integer", "minimum": .integer(Int64(range.lowerBound)), "maximum": .integer(Int64(range.upperBound))]
    }

    public static func integer(min: Int) -> Schema { ["type": "integer", "minimum": .integer(Int64(min))] }

    /// A text; lengths are in characters.
    public static func string(_ lengths: ClosedRange<Int>? = nil, pattern: String? = nil) -> Schema {
        var schema = Schema.string
        if let lengths {
            schema = schema.with("minLength", .integer(Int64(lengths.lowerBound))).with(
                "maxLength", .integer(Int64(lengths.upperBound)))
        }
        if let pattern { schema = schema.with("pattern", .string(pattern)) }
        return schema
    }

    public static func enumeration(_ values: [String]) -> Schema {
        ["type": "string", "enum": .array(values.map { .string($0) })]
    }

    public static func enumeration<T: RawRepresentable & CaseIterable>(_ type: T.Type) -> Schema where T.RawValue == String {
        enumeration(T.allCases.map(\.rawValue))
    }

    public static func array(of item: Schema, _ count: ClosedRange<Int>? = nil) -> Schema {
        let schema: Schema = ["type": "array", "items": item.json]
        guard let count else { return schema }
        return schema.with("minItems", .integer(Int64(count.lowerBound))).with("maxItems", .integer(Int64(count.upperBound)))
    }

    /// An object whose members all have names of their own.
    public static func map(of value: Schema) -> Schema { ["type": "object", "additionalProperties": value.json] }

    /// An object. Its properties are required unless they are `.optional`.
    /// - Parameter isClosed: whether other members are refused, as in every request body.
    public static func object(_ properties: KeyValuePairs<String, Schema>, isClosed: Bool = false) -> Schema {
        var schema: Schema = [
            "type": "object", "properties": .object(properties.map { JSONValue.Member($0.key, $0.value.json) }),
        ]
        let required = properties.filter { !$0.value.isOptional }.map { JSONValue.string($0.key) }
        if !required.isEmpty { schema = schema.with("required", .array(required)) }
        return isClosed ? schema.with("additionalProperties", false) : schema
    }

    /// An object that takes no other members: a request body.
    public static func body(_ properties: KeyValuePairs<String, Schema>) -> Schema { object(properties, isClosed: true) }

    /// A component of the catalogue.
    public static func ref(_ name: String) -> Schema { ["$ref": .string("#/components/schemas/\(name)")] }

    public static func oneOf(_ schemas: Schema...) -> Schema { ["oneOf": .array(schemas.map(\.json))] }

    /// The same, and an object can be without it.
    public var optional: Schema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    /// The same, or null.
    public var nullable: Schema {
        var schema: Schema
        if let type = json["type"]?.string {
            schema = Schema(json.setting("type", [.string(type), "null"]))
            if let values = json["enum"]?.array { schema = schema.with("enum", .array(values + [.null])) }
        } else {
            schema = ["anyOf": [json, ["type": "null"]]]
        }
        schema.isOptional = isOptional
        return schema
    }

    /// The same with one more keyword.
    public func with(_ keyword: String, _ value: JSONValue) -> Schema {
        var schema = Schema(json.setting(keyword, value))
        schema.isOptional = isOptional
        return schema
    }

    public func described(_ text: String) -> Schema { with("description", .string(text)) }
}
