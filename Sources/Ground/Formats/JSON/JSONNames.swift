/// A fixed list of member names, to find the place of each name that a scan gives. Objects of one kind mostly have their members
/// in the same order, so the search begins at a guess.
public struct JSONNames: Sendable {
    private let text: [UInt8]
    /// Where each name begins in `text`, and at the end where the last one ends.
    private let starts: [Int]
    private let places: [[UInt8]: Int]

    public var count: Int { starts.count - 1 }

    /// - Parameter names: of equal names the first counts.
    public init(_ names: [String]) {
        var text: [UInt8] = []
        var starts = [0]
        var places: [[UInt8]: Int] = [:]
        for (index, name) in names.enumerated() {
            let bytes = Array(name.utf8)
            text += bytes
            starts.append(text.count)
            if places[bytes] == nil { places[bytes] = index }
        }
        self.text = text
        self.starts = starts
        self.places = places
    }

    /// The place of a name, or nil if it is not in the list.
    /// - Parameters:
    ///   - name: the name's text, without quotes and escapes.
    ///   - guess: where it probably is: one behind the name before.
    public func place(of name: UnsafeBufferPointer<UInt8>, guess: Int) -> Int? {
        if guess >= 0, guess < count, isEqual(name, guess) { return guess }
        return places[Array(name)]
    }

    private func isEqual(_ name: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        let start = starts[index]
        guard starts[index + 1] - start == name.count else { return false }
        return text.withUnsafeBufferPointer { text in
            guard let ours = text.baseAddress, let theirs = name.baseAddress else { return name.isEmpty }
            return ByteScan.isEqual(ours + start, theirs, name.count)
        }
    }
}
