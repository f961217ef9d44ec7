/// Texts as a cell of a sheet holds them.
enum XLSXText {
    static let unitsMax = 32_767

    /// Why a text can't be in a cell, or nil.
    static func problem(_ bytes: UnsafeBufferPointer<UInt8>) -> XLSXError.Code? {
        guard let base = bytes.baseAddress else { return nil }
        if UTF8Check.firstInvalid(base, bytes.count) != nil { return .invalidUTF8 }
        var units = 0
        for index in 0..<bytes.count {
            let byte = base[index]
            if byte < 0x20, byte != 0x09, byte != 0x0A, byte != 0x0D { return .controlCharacter }
            if byte == 0xEF, base[index + 1] == 0xBF, base[index + 2] >= 0xBE { return .controlCharacter }
            if byte & 0xC0 != 0x80 { units += byte >= 0xF0 ? 2 : 1 }
        }
        return units > unitsMax ? .textTooLong : nil
    }

    /// Appends the text and a zero byte. A carriage return, which XML readers turn into a line feed, is written as `_x000D_`, and
    /// what looks like such an escape gets its underscore escaped (ECMA-376, ST_Xstring).
    static func append(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        if let base = bytes.baseAddress {
            var start = 0
            for index in 0..<bytes.count {
                let isReturn = base[index] == 0x0D
                guard isReturn || (base[index] == 0x5F && looksEscaped(base + index, bytes.count - index)) else { continue }
                out.append(UnsafeBufferPointer(rebasing: bytes[start..<index]))
                out.append(isReturn ? "_x000D_" : "_x005F_")
                start = index + 1
            }
            out.append(UnsafeBufferPointer(rebasing: bytes[start...]))
        }
        out.append(UInt8(0))
    }

    private static func looksEscaped(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        count >= 7 && text[1] == UInt8(ascii: "x") && text[6] == 0x5F && JSONEscapes.unit(text + 2) != nil
    }
}
