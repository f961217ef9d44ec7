import Foundation
import HTTPTypes
import Web

/// The digests of RFC 9530: `Content-Digest` of the bytes of a request, `Repr-Digest` of the whole file.
enum DigestFields {
    typealias Digest = (algorithm: BodyDigests.Algorithm, value: [UInt8])

    /// The texts are constants, so that an empty fallback is never seen.
    static let content = HTTPField.Name("Content-Digest") ?? .via
    static let representation = HTTPField.Name("Repr-Digest") ?? .via

    private static let names: [(name: String, algorithm: BodyDigests.Algorithm, count: Int)] = [
        ("sha-256", .sha256, 32), ("sha-512", .sha512, 64),
    ]

    private static func kind(_ code: String, _ title: String) -> Problem.Kind {
        .init(
            400, code, title,
            registered: "https://iana.org/assignments/http-problem-types#" + code.lowercased().replacing("_", with: "-"))
    }

    /// A field's digests by the algorithms that are known.
    /// - Parameter known: those that can be checked.
    /// - Returns: none if there is no such field, or it is no dictionary.
    /// - Throws: a 400 problem if none can be checked, or one can't be right.
    static func digests(
        _ field: HTTPField.Name, in fields: HTTPFields, known: Set<BodyDigests.Algorithm>
    ) throws -> [Digest] {
        let lines = fields[values: field]
        guard let members = StructuredField.dictionary(lines), !members.isEmpty else { return [] }
        var digests: [Digest] = []
        for entry in names where known.contains(entry.algorithm) {
            guard let member = members[entry.name] else { continue }
            guard case .bytes(let value) = member, value.count == entry.count else {
                throw Problem(
                    kind("DIGEST_INVALID_VALUE", "The digest can't be one"),
                    "\(field.rawName): \(entry.name) must have \(entry.count) bytes"
                ).with("algorithm", .string(entry.name))
            }
            digests.append((entry.algorithm, value))
        }
        guard !digests.isEmpty else {
            let taken = names.filter { known.contains($0.algorithm) }.map(\.name)
            throw Problem(
                kind("DIGEST_UNSUPPORTED_ALGORITHM", "The algorithm is not known"),
                "\(field.rawName): the algorithms are " + taken.joined(separator: ", ")
            ).with("unsupported-algorithm", .string(members.keys.sorted().first.map { String($0.prefix(100)) } ?? ""))
        }
        return digests
    }

    static func text(sha256: [UInt8]) -> String { "sha-256=" + text(sha256) }

    private static func text(_ bytes: [UInt8]) -> String { ":\(Data(bytes).base64EncodedString()):" }

    /// - Throws: a 400 problem if the bytes come to something else.
    static func check(_ wanted: [Digest], _ found: BodyDigests) throws {
        for digest in wanted {
            let value = found.value(digest.algorithm) ?? []
            guard value != digest.value else { continue }
            throw Problem(
                kind("DIGEST_MISMATCHING_VALUE", "The digest is another one"), "the bytes of this request were not taken"
            )
            .with("algorithm", .string(names.first { $0.algorithm == digest.algorithm }?.name ?? ""))
            .with("provided-digest", .string(text(digest.value))).with("calculated-digest", .string(text(value)))
        }
    }
}

extension BytesCheck {
    /// What a request says of its bytes in `Content-Digest`, before them or, if it says so, behind them.
    /// - Returns: nil if there is nothing.
    /// - Throws: a 400 problem.
    static func content(_ fields: HTTPFields, _ context: WebContext) throws -> BytesCheck? {
        let known: Set = [BodyDigests.Algorithm.sha256, .sha512]
        let before = try DigestFields.digests(DigestFields.content, in: fields, known: known)
        let isBehind = fields.announces(DigestFields.content)
        guard !before.isEmpty || isBehind else { return nil }
        let digests = BodyDigests(isBehind ? known : Set(before.map(\.algorithm)))
        return BytesCheck(digests: digests) {
            try DigestFields.check(before, digests)
            guard isBehind else { return }
            let behind = try DigestFields.digests(DigestFields.content, in: await context.trailers(), known: known)
            guard !behind.isEmpty else {
                throw Problem.invalid("Content-Digest", "was announced, and did not come behind the bytes")
            }
            try DigestFields.check(behind, digests)
        }
    }
}
