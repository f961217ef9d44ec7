import Crypto
import Formats

/// What a raw deflate stream unpacks to.
func inflated(_ bytes: [UInt8]) throws -> [UInt8] {
    var unpacked: [UInt8] = []
    let inflater = Inflater()
    try inflater.append(bytes) { unpacked += $0 }
    return unpacked
}

func sha256(_ bytes: [UInt8]) -> String { HexText.of(SHA256.hash(data: bytes)) }
