/// `Content-Disposition` of a download (RFC 6266, RFC 8187).
public enum ContentDisposition {
    /// `attachment` with a plain name for old clients and the full name in UTF-8.
    public static func attachment(_ filename: String) -> String {
        let name = clean(filename)
        let plain = String(decoding: name.utf8.count == name.unicodeScalars.count ? Array(name.utf8) : ascii(name), as: UTF8.self)
        return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(PercentCoding.encode(name, also: "!#$&+^`|"))"
    }

    /// A name that is safe as one: no path, no quotes, no control or direction marks, no leading dots or dashes, no trailing
    /// dots or spaces, at most 200 bytes; `download` if nothing is left.
    public static func clean(_ filename: String) -> String {
        var name = ""
        for scalar in filename.unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7F..<0xA0, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFF: continue
            case 0x22, 0x2A, 0x2F, 0x3A, 0x3C, 0x3E, 0x3F, 0x5C, 0x7C: name.append("_")
            default: name.unicodeScalars.append(scalar)
            }
        }
        while let first = name.first, first == "." || first == " " || first == "-" { name.removeFirst() }
        while name.utf8.count > 200 { name.removeLast() }
        while let last = name.last, last == "." || last == " " { name.removeLast() }
        return name.isEmpty ? "download" : name
    }

    private static func ascii(_ name: String) -> [UInt8] {
        name.unicodeScalars.map { $0.isASCII ? UInt8($0.value) : UInt8(ascii: "_") }
    }
}
