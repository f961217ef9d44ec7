import HTTPTypes
import Web

/// The password of an encrypted file, as requests have it. It is never in a query, which logs and histories keep.
enum FilePassword {
    /// A string or a byte sequence (RFC 9651): `"correct horse"`, or `:Y29ycmVjdCBob3JzZQ==:` for the UTF-8 of any text.
    static let field = HTTPField.Name("File-Password") ?? .via
    static let rule = PassphraseRule(8...1024)
    static let schema = Schema.string(rule.length)
    static let hint = "a string or a byte sequence (RFC 9651): `\"…\"`, or `:…:` with the base64 of its UTF-8"

    /// The password of a request; nil if it has none.
    /// - Throws: a 400 problem, which does not repeat it.
    static func read(_ fields: HTTPFields) throws -> String? {
        let lines = fields[values: field]
        guard !lines.isEmpty else { return nil }
        switch StructuredField.item(lines) {
        case .string(let text): return text
        case .bytes(let bytes):
            if let text = String(validating: bytes, as: UTF8.self) { return text }
        default: break
        }
        throw Problem.invalid(field.rawName, "must be \(hint)")
    }

    /// The password that a file is to be encrypted with.
    /// - Throws: a 400 problem.
    static func new(_ fields: HTTPFields) throws -> String? {
        guard let text = try read(fields) else { return nil }
        if let reason = rule.wrong(text) { throw Problem.invalid(field.rawName, reason) }
        return text
    }
}
