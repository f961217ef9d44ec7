/// Where a field lies, relative to the record's start, or to the scratch bytes if it had to be rewritten.
@usableFromInline struct CSVFieldPlace {
    @usableFromInline var start: UInt32
    @usableFromInline var length: UInt32
    @usableFromInline var flags: UInt8

    @usableFromInline static let quoted: UInt8 = 1
    @usableFromInline static let doubled: UInt8 = 2

    @usableFromInline init(start: UInt32, length: UInt32, flags: UInt8) {
        self.start = start
        self.length = length
        self.flags = flags
    }
}

/// The places of the current record's fields.
struct CSVFieldTable: ~Copyable {
    private(set) var places: UnsafeMutablePointer<CSVFieldPlace>
    private var capacity: Int
    private let limit: Int
    private(set) var count = 0

    init(limit: Int) {
        self.limit = limit
        capacity = min(limit, 64)
        places = .allocate(capacity: capacity)
    }

    deinit {
        places.deallocate()
    }

    /// Makes room for one more; false when the record has as many as it may have.
    @inline(__always) mutating func hasRoom() -> Bool {
        count < capacity || grow()
    }

    private mutating func grow() -> Bool {
        guard capacity < limit else { return false }
        let wanted = min(limit, capacity * 2)
        let larger = UnsafeMutablePointer<CSVFieldPlace>.allocate(capacity: wanted)
        larger.update(from: places, count: count)
        places.deallocate()
        places = larger
        capacity = wanted
        return true
    }

    @inline(__always) mutating func append(_ place: CSVFieldPlace) {
        places[count] = place
        count &+= 1
    }

    mutating func clear() {
        count = 0
    }

    /// Rewrites the fields that have doubled quotes into `scratch`.
    mutating func undouble(from base: UnsafePointer<UInt8>, into scratch: OutputBuffer) {
        scratch.clear()
        for index in 0..<count where places[index].flags & CSVFieldPlace.doubled != 0 {
            let place = places[index]
            let start = scratch.count
            let source = base + Int(place.start)
            let target = scratch.pointer(reserving: Int(place.length))
            var (at, length) = (0, 0)
            while at < Int(place.length) {
                let byte = source[at]
                target[length] = byte
                length += 1
                at += byte == 0x22 ? 2 : 1
            }
            scratch.advance(by: length)
            places[index].start = UInt32(truncatingIfNeeded: start)
            places[index].length = UInt32(truncatingIfNeeded: length)
        }
    }
}
