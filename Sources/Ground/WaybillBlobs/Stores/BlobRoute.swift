/// In which of several stores a blob lies: in the installation's own, or in one that has a name. The keys of the latter begin
/// with `stores/` and that name everywhere but in the store itself.
public struct BlobRoute: Sendable, Hashable {
    private static let first = "stores/"

    /// The name of the store; empty: the installation's own.
    public let store: String
    /// What the blob is called there.
    public let key: BlobKey

    public init(_ key: BlobKey) {
        let (store, rest) = BlobRoute.split(key.text)
        if let inner = BlobKey(rest) {
            (self.store, self.key) = (store, inner)
        } else {
            (self.store, self.key) = ("", key)
        }
    }

    /// What the keys of a store begin with outside of it.
    public static func prefix(of store: String) -> String { store.isEmpty ? "" : "\(first)\(store)/" }

    /// The store of a key, or of the beginning of one, and what is left of it there.
    static func split(_ text: String) -> (store: String, rest: String) {
        guard text.hasPrefix(first) else { return ("", text) }
        let parts = text.dropFirst(first.count).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return ("", text) }
        return (String(parts[0]), String(parts[1]))
    }
}
