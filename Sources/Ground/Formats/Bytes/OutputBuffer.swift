/// A growing run of bytes that everything in this room writes to. It has one owner and is not shared between tasks.
public final class OutputBuffer {
    // Not checked at run time: one owner, and no closure of a caller runs while a property is being changed.
    @exclusivity(unchecked) @usableFromInline var base: UnsafeMutablePointer<UInt8>
    @exclusivity(unchecked) @usableFromInline var used: Int
    @exclusivity(unchecked) @usableFromInline var capacity: Int

    /// - Parameter capacity: bytes that fit before the first growth.
    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        self.base = UnsafeMutablePointer<UInt8>.allocate(capacity: self.capacity)
        self.used = 0
    }

    deinit {
        base.deallocate()
    }

    @inlinable public var count: Int { used }
    @inlinable public var isEmpty: Bool { used == 0 }

    /// What was written. Valid until the next change of the buffer, and no longer than the buffer lives.
    @inlinable public var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: used) }

    @inlinable public func withUnsafeBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try withExtendedLifetime(self) { try body(bytes) }
    }

    /// Makes room for `extra` more bytes.
    @inlinable public func reserve(_ extra: Int) {
        if capacity &- used < extra { grow(extra) }
    }

    @inline(never) @usableFromInline func grow(_ extra: Int) {
        let wanted = max(capacity * 2, used + extra)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        larger.update(from: base, count: used)
        base.deallocate()
        base = larger
        capacity = wanted
    }

    /// Where the next byte goes, with room for `extra` bytes. Follow it with `advance(by:)`.
    @inlinable public func pointer(reserving extra: Int) -> UnsafeMutablePointer<UInt8> {
        reserve(extra)
        return base + used
    }

    /// Counts bytes that were written behind `pointer(reserving:)`.
    @inlinable public func advance(by count: Int) {
        used &+= count
    }

    @inlinable public func append(_ byte: UInt8) {
        pointer(reserving: 1).pointee = byte
        used &+= 1
    }

    @inlinable public func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        pointer(reserving: bytes.count).update(from: start, count: bytes.count)
        used &+= bytes.count
    }

    /// Appends a stretch of some bytes, mostly a short one: eight bytes at a time where that stays inside of them.
    @inlinable public func append(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) {
        guard start >= 0, start < end, end <= bytes.count, let base = bytes.baseAddress else { return }
        let length = end &- start
        let rounded = (length &+ 7) & ~7
        let target = UnsafeMutableRawPointer(pointer(reserving: rounded))
        if length <= 32, start &+ rounded <= bytes.count {
            let source = UnsafeRawPointer(base + start)
            var at = 0
            while at < length {
                target.storeBytes(of: (source + at).loadUnaligned(as: UInt64.self), toByteOffset: at, as: UInt64.self)
                at &+= 8
            }
        } else {
            target.copyMemory(from: base + start, byteCount: length)
        }
        used &+= length
    }

    @inlinable public func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { append($0) }
    }

    @inlinable public func append(_ literal: StaticString) {
        append(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Appends a text's UTF-8 bytes.
    public func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// Appends an integer in decimal digits.
    @inlinable public func appendDecimal(_ value: Int64) {
        used &+= DecimalDigits.write(value, to: pointer(reserving: DecimalDigits.room))
    }

    /// Appends the shortest decimal digits that give the same double again, in the form of ECMAScript's
    /// `Number::toString` (RFC 8785): `3`, `0.1`, `1e+21`, and `0` for negative zero.
    /// - Returns: false, with nothing written, for NaN and the infinities.
    public func appendDecimal(_ value: Double) -> Bool {
        let length = ShortestDouble.write(value, to: pointer(reserving: ShortestDouble.room))
        used &+= length
        return length > 0
    }

    /// Drops what was written after the first `count` bytes, such as half a row.
    @inlinable public func truncate(to count: Int) {
        if count >= 0, count < used { used = count }
    }

    /// Drops the first `count` bytes and moves the rest to the front.
    public func dropFirst(_ count: Int) {
        guard count > 0 else { return }
        let left = max(0, used - count)
        base.update(from: base + (used - left), count: left)
        used = left
    }

    /// Drops all bytes and keeps the room.
    @inlinable public func clear() {
        used = 0
    }

    /// Copies the bytes out and clears the buffer.
    public func takeBytes() -> [UInt8] {
        let copy = Array(bytes)
        used = 0
        return copy
    }
}
