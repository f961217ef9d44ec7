/// A compressor refused its work: there is no memory, or the library is not the one it was built for.
public struct CompressionError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String

    public init(_ message: String) {
        self.message = message
    }

    public var description: String { message }
}
