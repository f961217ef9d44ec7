import Drive

/// How files are taken in and kept.
public struct DriveSettings: Sendable, Hashable {
    public var fileBytes: Int
    public var chunkBytes: Int
    public var chunkBytesMax: Int
    public var idle: Duration
    public var retention: Duration
    public var interimAnswers: Bool
    /// The stores that pools may have beside the installation's own, by their names.
    public var stores: [String: BlobSettings.Place]

    /// The key of a store.
    static func key(of store: String) -> String { "\(storesPrefix).\(store)" }
    static let storesPrefix = "drive.stores"

    init(_ read: inout SettingsReader) {
        let day = Duration.seconds(86_400)
        fileBytes = read.bytes(
            "drive.fileBytes", 1 << 40, in: (1 << 10)...(1 << 43), "How long a file may be; a longer one is refused with 413.")
        chunkBytes = read.bytes(
            "drive.chunkBytes", 5 << 20, in: (1 << 10)...(64 << 20),
            "How long a chunk of an upload is if the client does not say.")
        chunkBytesMax = read.bytes(
            "drive.chunkBytesMax", 16 << 20, in: (1 << 10)...(64 << 20),
            "How long a chunk may be; a longer one is refused with 413.")
        idle = read.duration(
            "drive.idle", day, in: .seconds(1)...(day * 30),
            "After which an upload expires if nothing more comes: its bytes go, and its room is given back.")
        retention = read.duration(
            "drive.retention", day * 30, in: .seconds(1)...(day * 3650), "How long an upload that has ended is still shown.")
        interimAnswers = read.boolean(
            "drive.interimAnswers", true,
            "Whether who uploads by the IETF's protocol, and asks for it, is answered while bytes still come (104). Off where a "
                + "proxy in front can't pass that on.")
        stores = DriveSettings.stores(&read)
        if chunkBytes > chunkBytesMax {
            read.note(.conflict, "drive.chunkBytes", "it is more than drive.chunkBytesMax")
        }
    }

    private static func stores(_ read: inout SettingsReader) -> [String: BlobSettings.Place] {
        var stores: [String: BlobSettings.Place] = [:]
        let names = Set(read.names(below: storesPrefix) + read.variableNames(below: storesPrefix))
        for name in names.sorted() {
            guard let url = read.loose(key(of: name))?.text else { continue }
            // So that each has a variable, and its name can be a part of a key.
            guard isName(name) else {
                read.note(
                    .invalid, key(of: name),
                    "no name for a store; small letters, digits and _ are, 1 to 63, a letter first, and not default"
                )
                continue
            }
            stores[name] = BlobSettings.place(url, of: key(of: name), &read)
        }
        return stores
    }

    private static func isName(_ text: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        guard text != "default", text.utf8.count <= 63, let first = text.utf8.first, letters.contains(first) else { return false }
        return text.utf8.allSatisfy {
            letters.contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
        }
    }
}

extension DriveFeature.Configuration {
    init(_ settings: Settings) {
        self.init(
            fileBytesMax: Int64(settings.drive.fileBytes), chunkBytes: Int64(settings.drive.chunkBytes),
            chunkBytesMax: Int64(settings.drive.chunkBytesMax), idle: settings.drive.idle, retention: settings.drive.retention,
            linkLifetime: settings.retention.linkTTL, orphanAge: settings.engine.orphanAge,
            sendsInterim: settings.drive.interimAnswers,
            publicURL: settings.server.publicURL ?? "")
    }
}
