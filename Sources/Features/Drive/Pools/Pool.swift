import WaybillBlobs
import WaybillEngine

/// A place for files, with rules.
struct Pool: Sendable, Hashable {
    /// The pool that is there from the beginning.
    static let standardID = "00000000-0000-7000-8000-000000000001"

    var id: String
    var name: String
    /// Where its uploads go: the name of a store, empty for the installation's own. Files stay where they were written.
    var store = BlobStores.own
    /// Nil: as long as the installation takes them.
    var fileBytesMax: Int64?
    /// `image/*`, `text/csv`; none: every type.
    var acceptTypes: [String]
    var allowsEncryption: Bool
    /// What a byte is charged with.
    var costFactor: Double
    /// Files go there if nobody says where.
    var isDefault: Bool
    var createdAt: Timestamp
    var updatedAt: Timestamp

    /// As it is until somebody changes it.
    static func standard(isDefault: Bool) -> Pool {
        Pool(
            id: standardID, name: "default", fileBytesMax: nil, acceptTypes: [], allowsEncryption: true, costFactor: 1,
            isDefault: isDefault, createdAt: Timestamp(microseconds: 0), updatedAt: Timestamp(microseconds: 0))
    }

    /// Whether it takes files of a type.
    func accepts(_ contentType: String) -> Bool {
        let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return acceptTypes.isEmpty
            || acceptTypes.contains { accepted in
                accepted == "*/*" || accepted == type
                    || (accepted.hasSuffix("/*") && type.hasPrefix(accepted.dropLast()))
            }
    }
}
