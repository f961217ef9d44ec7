/// Writes JSON values. Names, commas and brackets are the caller's, who knows them beforehand.
public enum JSONWriter {
    @inlinable public static func null(to out: OutputBuffer) { out.append("null") }
    @inlinable public static func boolean(_ value: Bool, to out: OutputBuffer) { out.append(value ? "true" : "false") }
    @inlinable public static func integer(_ value: Int64, to out: OutputBuffer) { out.appendDecimal(value) }

    /// - Returns: false, with nothing written, for NaN and the infinities, which JSON can't hold.
    public static func double(_ value: Double, to out: OutputBuffer) -> Bool { out.appendDecimal(value) }

    /// A string in quotes. Only `"`, `\` and control characters are escaped.
    /// - Returns: false, with nothing written, when the bytes are not UTF-8.
    public static func string(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) -> Bool {
        let count = bytes.count
        guard count > 0, let source = bytes.baseAddress else {
            out.append("\"\"")
            return true
        }
        let target = out.pointer(reserving: count &+ 2)
        var special: UInt64 = 0
        var high: UInt64 = 0
        ByteScan.copy(source, count, to: target + 1) { word in
            high |= word
            special |= ByteScan.zero(word ^ 0x2222_2222_2222_2222)
            special |= ByteScan.zero(word ^ 0x5C5C_5C5C_5C5C_5C5C)
            special |= ByteScan.below(0x20, word)
        }
        if high & 0x8080_8080_8080_8080 != 0, UTF8Check.firstInvalid(source, count) != nil { return false }
        if special != 0 {
            escaped(source, count, to: out)
            return true
        }
        target[0] = 0x22
        target[count &+ 1] = 0x22
        out.advance(by: count &+ 2)
        return true
    }

    /// A string in quotes.
    public static func string(_ text: String, to out: OutputBuffer) {
        var text = text
        // A Swift string's bytes are UTF-8.
        _ = text.withUTF8 { string($0, to: out) }
    }

    private static func escaped(_ source: UnsafePointer<UInt8>, _ count: Int, to out: OutputBuffer) {
        let hexadecimal: StaticString = "0123456789abcdef"
        let target = out.pointer(reserving: count * 6 + 2)
        target[0] = 0x22
        var length = 1
        for index in 0..<count {
            let byte = source[index]
            let letter: UInt8
            switch byte {
            case 0x22, 0x5C: letter = byte
            case 0x08: letter = UInt8(ascii: "b")
            case 0x09: letter = UInt8(ascii: "t")
            case 0x0A: letter = UInt8(ascii: "n")
            case 0x0C: letter = UInt8(ascii: "f")
            case 0x0D: letter = UInt8(ascii: "r")
            case 0..<0x20: letter = UInt8(ascii: "u")
            default:
                target[length] = byte
                length &+= 1
                continue
            }
            target[length] = 0x5C
            target[length &+ 1] = letter
            length &+= 2
            if letter == UInt8(ascii: "u") {
                target[length] = 0x30
                target[length &+ 1] = 0x30
                target[length &+ 2] = hexadecimal.utf8Start[Int(byte &>> 4)]
                target[length &+ 3] = hexadecimal.utf8Start[Int(byte & 15)]
                length &+= 4
            }
        }
        target[length] = 0x22
        out.advance(by: length &+ 1)
    }

    /// Copies a scanned value without the white space outside its strings.
    static func compact(_ value: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        guard let base = value.baseAddress else { return }
        let target = out.pointer(reserving: value.count)
        var length = 0
        var at = 0
        var isInString = false
        while at < value.count {
            let byte = base[at]
            at &+= 1
            if !isInString, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { continue }
            target[length] = byte
            length &+= 1
            if byte == 0x22 {
                isInString.toggle()
            } else if isInString, byte == 0x5C, at < value.count {
                target[length] = base[at]
                length &+= 1
                at &+= 1
            }
        }
        out.advance(by: length)
    }
}
