/// The stores of an installation, each with where its files are filled: its own, and those that have a name.
public struct BlobStores: Sendable {
    /// The name of the installation's own store.
    public static let own = ""

    /// A store, and where files are filled until they become blobs of it.
    public struct Place: Sendable {
        public var blobs: any BlobStore
        public var staging: any BlobStaging

        public init(_ blobs: any BlobStore, staging: any BlobStaging) {
            self.blobs = blobs
            self.staging = staging
        }
    }

    private let stagings: [String: any BlobStaging]
    /// All of them as one: the key of a blob says in which it lies, see `BlobRoute`.
    public let blobs: any BlobStore

    public init(_ own: Place, named: [String: Place] = [:]) {
        stagings = named.mapValues(\.staging).merging([BlobStores.own: own.staging]) { _, first in first }
        blobs = RoutedBlobs(own.blobs, named: named.mapValues(\.blobs))
    }

    /// The names, the installation's own first.
    public var names: [String] { stagings.keys.sorted() }

    public func has(_ name: String) -> Bool { stagings[name] != nil }

    /// Where files are filled that become blobs of a store, by their keys in it.
    /// - Throws: `BlobError` if there is no such store.
    public func staging(of name: String) throws -> any BlobStaging {
        guard let staging = stagings[name] else { throw BlobError.noStore(name) }
        return staging
    }
}
