/// Memory for bytes on their way into a file. It is taken from `BytePieces`, and goes back there when nobody has it any more.
///
/// `@unchecked Sendable` is safe because one task fills it, hands it over, and lets it alone until those who read it are done.
public final class BytePiece: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private let owner: BytePieces
    public private(set) var count = 0

    public var capacity: Int { memory.count }
    public var isEmpty: Bool { count == 0 }
    public var isFull: Bool { count == capacity }
    public var isLarge: Bool { capacity >= BytePieces.largeBytes }

    /// - Parameter owner: gets the memory back.
    init(_ memory: UnsafeMutableRawBufferPointer, owner: BytePieces) {
        self.memory = memory
        self.owner = owner
    }

    deinit { owner.putBack(memory) }

    /// Takes as many of the bytes as there is room for.
    /// - Returns: how many.
    public func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let taken = UnsafeRawBufferPointer(rebasing: bytes.prefix(capacity - count))
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: taken)
        count += taken.count
        return taken.count
    }

    public func removeAll() {
        count = 0
    }

    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
}
