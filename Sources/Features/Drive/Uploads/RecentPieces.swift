import Synchronization
import WaybillEngine

/// Chunks that were put into the store a moment ago, and still lie in scratch files of this node. Who comes in order later can
/// hash them without reading them from the store. Of all uploads together there are a few: the oldest ones go.
final class RecentPieces: Sendable {
    private struct Entry {
        var upload: JobID
        var range: Range<Int64>
        var piece: GatheredPiece
    }

    private static let countMax = 64
    private let bytesMax: Int64
    private let entries = Mutex<[Entry]>([])

    init(bytesMax: Int64 = 256 << 20) {
        self.bytesMax = bytesMax
    }

    /// - Parameter range: what of the file the piece has, and a row tells.
    func add(_ piece: GatheredPiece, _ range: Range<Int64>, of upload: JobID) {
        // Let go outside: with it a file is closed.
        _ = entries.withLock { entries in
            entries.append(Entry(upload: upload, range: range, piece: piece))
            var bytes = entries.reduce(0) { $0 + ($1.range.upperBound - $1.range.lowerBound) }
            var gone: [Entry] = []
            while let first = entries.first, bytes > bytesMax || entries.count > Self.countMax {
                bytes -= first.range.upperBound - first.range.lowerBound
                gone.append(entries.removeFirst())
            }
            return gone
        }
    }

    func has(_ place: Int64, of upload: JobID) -> Bool {
        entries.withLock { $0.contains { $0.upload == upload && $0.range.contains(place) } }
    }

    /// Gives the one away that has a place.
    func take(_ place: Int64, of upload: JobID) -> (range: Range<Int64>, piece: GatheredPiece)? {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.upload == upload && $0.range.contains(place) }) else { return nil }
            let entry = entries.remove(at: index)
            return (entry.range, entry.piece)
        }
    }

    func forget(_ upload: JobID) {
        _ = entries.withLock { entries in
            let gone = entries.filter { $0.upload == upload }
            entries.removeAll { $0.upload == upload }
            return gone
        }
    }
}
