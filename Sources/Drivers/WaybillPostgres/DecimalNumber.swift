/// A `numeric` of the server, with all its digits.
struct DecimalNumber {
    /// As the server writes it, but with no needless zeros behind the point.
    let text: String
    /// nil if it has decimals or doesn't fit.
    let integer: Int64?

    /// - Parameter bytes: the binary form: counts, then groups of four decimal digits.
    /// - Returns: nil if that is not what they are.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count >= 8, bytes.count.isMultiple(of: 2), let base = bytes.baseAddress else { return nil }
        func word(_ index: Int) -> UInt16 { CellReader.load(base + index * 2, UInt16.self) }
        let count = Int(word(0))
        let weight = Int(Int16(bitPattern: word(1)))
        guard bytes.count == 8 + count * 2 else { return nil }
        switch word(2) {
        case 0x0000, 0x4000: break
        case 0xC000: (text, integer) = ("NaN", nil); return
        case 0xD000: (text, integer) = ("Infinity", nil); return
        case 0xF000: (text, integer) = ("-Infinity", nil); return
        default: return nil
        }
        let isNegative = word(2) == 0x4000
        func group(_ index: Int) -> UInt16 { index >= 0 && index < count ? word(4 + index) : 0 }
        var whole = ""
        if weight >= 0 {
            for index in 0...weight {
                let digits = String(group(index))
                whole += whole.isEmpty ? (digits == "0" ? "" : digits) : String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        var decimals = ""
        if weight + 1 < count {
            for index in max(weight + 1, 0)..<count {
                let digits = String(group(index))
                decimals += String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        // Groups between the point and the first one that was sent.
        if weight < -1 { decimals = String(repeating: "0000", count: -1 - weight) + decimals }
        while decimals.last == "0" { decimals.removeLast() }
        let sign = isNegative && !(whole.isEmpty && decimals.isEmpty) ? "-" : ""
        text = sign + (whole.isEmpty ? "0" : whole) + (decimals.isEmpty ? "" : "." + decimals)
        integer = decimals.isEmpty ? Int64(text) : nil
    }
}
