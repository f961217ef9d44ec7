/// Fixed-width numbers, lowest byte first.
enum LittleEndian {
    static func append<T: FixedWidthInteger>(_ value: T, to out: OutputBuffer) {
        let width = MemoryLayout<T>.size
        UnsafeMutableRawPointer(out.pointer(reserving: width)).storeBytes(of: value.littleEndian, as: T.self)
        out.advance(by: width)
    }
}
