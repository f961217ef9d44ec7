import WaybillEngine

/// The whole configuration of a server. How each value is found: flags, environment, YAML file, defaults, in this order.
public struct Settings: Sendable, Hashable {
    public var server: ServerSettings
    public var data: DataSettings
    public var blobs: BlobSettings
    public var engine: EngineSettings
    public var limits: LimitSettings
    public var retention: RetentionSettings
    public var audit: AuditSettings
    public var backup: BackupSettings
    public var drive: DriveSettings
    public var streams: StreamSettings
    public var rate: RateSettings
    public var access: AccessSettings
    public var dashboard: DashboardSettings
    public var log: LogSettings
    public var database: DatabaseSettings
    public var node: NodeSettings
    public var datasets: [DatasetSettings]

    init(_ read: inout SettingsReader) {
        server = ServerSettings(&read)
        data = DataSettings(&read)
        blobs = BlobSettings(&read)
        engine = EngineSettings(&read)
        limits = LimitSettings(&read)
        retention = RetentionSettings(&read)
        audit = AuditSettings(&read)
        backup = BackupSettings(&read)
        drive = DriveSettings(&read)
        streams = StreamSettings(&read)
        rate = RateSettings(&read)
        access = AccessSettings(&read)
        dashboard = DashboardSettings(&read)
        log = LogSettings(&read)
        database = DatabaseSettings(&read)
        node = NodeSettings(&read)
        datasets = DatasetSettings.all(&read)
        noteSharedPlaces(&read)
        if node.role == .api, database.url == nil {
            read.note(.conflict, "node.role", "api needs database.url: without it there is no other node that could run the jobs")
        }
    }

    /// Each store needs a place of its own: else it would sweep the files of another one.
    private func noteSharedPlaces(_ read: inout SettingsReader) {
        var seen = [blobs.place.location(data.folder): "blobs.url"]
        seen[BlobSettings.Place.data.location(data.folder)] = "data.folder"
        for (name, place) in drive.stores.sorted(by: { $0.key < $1.key }) {
            let location = place.location(data.folder)
            if let other = seen[location] {
                read.note(.conflict, DriveSettings.key(of: name), "it is the same place as that of \(other)")
            }
            seen[location] = DriveSettings.key(of: name)
        }
    }

    /// What works with one node, but not with many.
    private var warnings: [String] {
        guard database.url != nil else { return [] }
        var warnings: [String] = []
        if access.signingKey == nil {
            warnings.append("each node signs with a key of its own; set signing.key to the same on all of them")
        }
        if !blobs.place.isShared {
            warnings.append("files are kept where other nodes can't read them; set blobs.url to a bucket")
        }
        for name in drive.stores.filter({ !$1.isShared }).keys.sorted() {
            warnings.append("\(DriveSettings.key(of: name)) is a folder, which other nodes can't read; set it to a bucket")
        }
        return warnings
    }

    /// The table of all keys, in the order of the topics.
    public static var entries: [SettingEntry] {
        var reader = SettingsReader(SettingsLayers(flags: [], environment: [:], file: nil))
        _ = Settings(&reader)
        return reader.entries
    }

    /// Settings where nothing is set.
    public static var standard: Settings {
        var reader = SettingsReader(SettingsLayers(flags: [], environment: [:], file: nil))
        return Settings(&reader)
    }

    /// Reads the configuration.
    /// - Throws: `SettingsError` with everything that is wrong.
    public static func load(
        flags: [SettingFlag] = [], environment: [String: String], file: SettingsFile? = nil
    ) throws -> LoadedSettings {
        let layers = SettingsLayers(flags: flags, environment: environment, file: file)
        var reader = SettingsReader(layers)
        let settings = Settings(&reader)
        let unknown = unknownKeys(layers, reader)
        guard unknown.isEmpty, reader.problems.isEmpty else { throw SettingsError(problems: unknown + reader.problems) }
        return LoadedSettings(
            settings: settings, values: reader.values, warnings: strayVariables(layers, reader.entries) + settings.warnings)
    }

    private static func unknownKeys(_ layers: SettingsLayers, _ reader: SettingsReader) -> [SettingsError.Problem] {
        let known = Set(reader.entries.map(\.name))
        let given =
            layers.flags.map { ($0.name, SettingOrigin.flag($0.flag)) }
            + (layers.file.map { file in file.keys.map { ($0, SettingOrigin.file(file.path)) } } ?? [])
        return given.compactMap { name, origin in
            guard !known.contains(name), !isDatasetField(name), !isStore(name) else { return nil }
            let meant = NearestName.of(name, among: known) ?? nearestField(name)
            let group = known.contains { $0.hasPrefix(name + ".") }
            let hint = group ? "; it is a group of keys" : meant.map { "; did you mean \($0)?" } ?? ""
            return .init(code: .unknown, subject: name, message: "no such key (from \(origin))\(hint)")
        }
    }

    private static func isDatasetField(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "datasets" && DatasetSettings.fields.contains(String(parts[2]))
    }

    private static func isStore(_ name: String) -> Bool {
        let name = name.split(separator: ".", omittingEmptySubsequences: false)
        return name.count == 3 && name.prefix(2).joined(separator: ".") == DriveSettings.storesPrefix
    }

    private static func nearestField(_ name: String) -> String? {
        let parts = name.split(separator: ".")
        guard parts.count == 3, parts[0] == "datasets" else { return nil }
        return NearestName.of(String(parts[2]), among: DatasetSettings.fields).map { "datasets.\(parts[1]).\($0)" }
    }

    /// Variables that are nearly one of ours. They are no error: a platform may set such names for its own ends.
    private static func strayVariables(_ layers: SettingsLayers, _ entries: [SettingEntry]) -> [String] {
        let known = Set(entries.map(\.variable) + entries.filter(\.isSecret).map { $0.variable + "_FILE" })
        return layers.variables.compactMap { variable in
            let isStore = variable.hasPrefix(SettingEntry.variable(of: DriveSettings.storesPrefix) + "_")
            guard !known.contains(variable), !isStore, let meant = NearestName.of(variable, among: known) else { return nil }
            return "the variable \(variable) has no effect; did you mean \(meant)?"
        }
    }
}

/// A configuration, and where each of its values comes from.
public struct LoadedSettings: Sendable {
    public var settings: Settings
    /// One for each key, in the order of the table, then those of data sets.
    public var values: [SettingValue]
    /// What looks like a mistake but is none for sure.
    public var warnings: [String]
}
