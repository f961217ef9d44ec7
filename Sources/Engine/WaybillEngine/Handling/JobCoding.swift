import Foundation

/// How inputs, checkpoints and outputs are written: JSON with sorted keys.
public enum JobCoding {
    /// - Throws: `EncodingError`.
    public static func encode<Value: Encodable>(_ value: Value) throws -> String {
        if value is Nothing { return "{}" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// - Throws: `DecodingError`.
    public static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        if let nothing = Nothing() as? Value { return nothing }
        return try JSONDecoder().decode(type, from: Data(text.utf8))
    }
}
