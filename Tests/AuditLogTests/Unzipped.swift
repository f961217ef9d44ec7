import CZlib
import Testing

/// The files of a ZIP, in its order.
struct Unzipped {
    var files: [(name: String, text: String)] = []

    init(_ bytes: [UInt8]) throws {
        var at = 0
        func number(_ offset: Int, _ length: Int) -> Int {
            (0..<length).reversed().reduce(0) { $0 << 8 | Int(bytes[at + offset + $1]) }
        }
        while at + 30 <= bytes.count, number(0, 4) == 0x0403_4B50 {
            let (method, stored, length) = (number(8, 2), number(18, 4), number(22, 4))
            let (nameLength, extraLength) = (number(26, 2), number(28, 2))
            let name = String(decoding: bytes[at + 30..<at + 30 + nameLength], as: UTF8.self)
            let start = at + 30 + nameLength + extraLength
            let content = Array(bytes[start..<start + stored])
            let whole = method == 8 ? try #require(Self.inflated(content, length)) : content
            let crc = whole.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
            #expect(Int(crc) == number(14, 4), "the CRC of \(name)")
            files.append((name, String(decoding: whole, as: UTF8.self)))
            at = start + stored
        }
        #expect(at + 4 <= bytes.count && number(0, 4) == 0x0201_4B50, "no directory follows the files")
    }

    private static func inflated(_ bytes: [UInt8], _ length: Int) -> [UInt8]? {
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: max(1, length))
        let result = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                return inflate(&stream, Z_FINISH)
            }
        }
        return result == Z_STREAM_END && Int(stream.total_out) == length ? Array(output.prefix(length)) : nil
    }

    subscript(name: String) -> String? { files.first { $0.name == name }?.text }
}
