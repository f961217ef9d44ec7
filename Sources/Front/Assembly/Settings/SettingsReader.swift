/// Reads one setting after the other, and notes for each what it is, what it became and what is wrong with it.
///
/// A topic's `init(_:)` calls it once for each key, so that the key, its type, default, range and meaning stand in one line.
struct SettingsReader {
    private let layers: SettingsLayers
    private(set) var entries: [SettingEntry] = []
    private(set) var values: [SettingValue] = []
    private(set) var problems: [SettingsError.Problem] = []

    init(_ layers: SettingsLayers) {
        self.layers = layers
    }

    mutating func integer(_ name: String, _ standard: Int, in range: ClosedRange<Int>, _ summary: String) -> Int {
        let entry = entry(name, "integer", "\(standard)", "\(range.lowerBound) to \(range.upperBound)", summary)
        return one(entry, standard, format: { "\($0)" }) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    mutating func duration(_ name: String, _ standard: Duration, in range: ClosedRange<Duration>, _ summary: String) -> Duration {
        let bounds = "\(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
        let entry = entry(name, "duration", DurationText.format(standard), bounds, summary)
        return one(entry, standard, format: DurationText.format) {
            DurationText.parse($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func bytes(_ name: String, _ standard: Int, in range: ClosedRange<Int>, _ summary: String) -> Int {
        let bounds = "\(ByteCountText.format(range.lowerBound)) to \(ByteCountText.format(range.upperBound))"
        let entry = entry(name, "bytes", ByteCountText.format(standard), bounds, summary)
        return one(entry, standard, format: ByteCountText.format) {
            ByteCountText.parse($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    mutating func boolean(_ name: String, _ standard: Bool, _ summary: String) -> Bool {
        let entry = entry(name, "boolean", "\(standard)", "true or false", summary)
        return one(entry, standard, format: { "\($0)" }) { text in
            switch text.lowercased() {
            case "true", "yes", "on", "1": true
            case "false", "no", "off", "0": false
            default: nil
            }
        }
    }

    mutating func choice<Choice>(_ name: String, _ standard: Choice, _ summary: String) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        let entry = entry(name, "choice", standard.rawValue, Choice.allCases.map(\.rawValue).joined(separator: ", "), summary)
        return one(entry, standard, format: \.rawValue) { Choice(rawValue: $0) }
    }

    mutating func address(_ name: String, _ standard: ListenAddress, _ summary: String) -> ListenAddress {
        let entry = entry(name, "address", "\(standard)", "HOST:PORT", summary)
        return one(entry, standard, format: \.description) { ListenAddress($0) }
    }

    mutating func text(
        _ name: String, _ standard: String, type: String = "text", range: String = "", _ summary: String,
        accept: (String) -> Bool = { _ in true }
    ) -> String {
        one(entry(name, type, standard, range, summary), standard, format: { $0 }) { accept($0) ? $0 : nil }
    }

    mutating func optionalText(
        _ name: String, type: String = "text", range: String = "", _ summary: String, accept: (String) -> Bool = { _ in true }
    ) -> String? {
        one(entry(name, type, "", range, summary), nil, format: { $0 ?? "" }) { accept($0) ? .some($0) : .none }
    }

    /// A secret: from its variable, from the file that `…_FILE` names, or from the configuration file, never from a flag.
    mutating func secret(_ name: String, bytesMin: Int, _ summary: String) -> String? {
        var entry = entry(name, "text", "", "\(bytesMin) bytes or more", summary)
        entry.isSecret = true
        entries.append(entry)
        let fileVariable = entry.variable + "_FILE"
        var found = layers.find(name)
        if case .flag(let flag)? = found?.origin {
            note(.conflict, entry.name, "a secret can't be given by \(flag), where other users of the machine see it")
            found = nil
        }
        if let path = layers.variable(fileVariable) {
            if layers.variable(entry.variable) != nil {
                note(.conflict, name, "\(entry.variable) and \(fileVariable) are both set; set one of them")
            } else if let text = layers.secret(inFile: path) {
                found = (.text(text), .variableFile(variable: fileVariable, path: path))
            } else {
                note(.unreadable, name, "the file \(path), named by \(fileVariable), can't be read")
            }
        }
        values.append(SettingValue(name: name, text: found == nil ? "" : "********", origin: found?.origin ?? .builtIn))
        guard let found else { return nil }
        guard case .text(let text) = found.raw, text.utf8.count >= bytesMin else {
            note(.invalid, name, "the value from \(found.origin) is no text of \(bytesMin) bytes or more")
            return nil
        }
        return text
    }

    /// One text of an entry whose name is not known beforehand; it is no line of the table.
    /// - Parameter shown: what may be shown of it.
    mutating func loose(
        _ name: String, shown: (String) -> String = { $0 }
    ) -> (text: String, origin: SettingOrigin)? {
        guard let found = layers.find(name) else { return nil }
        guard case .text(let text) = found.raw else {
            note(.invalid, name, "a list (from \(found.origin)) where one value is needed")
            return nil
        }
        values.append(SettingValue(name: name, text: shown(text), origin: found.origin))
        return (text, found.origin)
    }

    /// Likewise a list; a text counts as a list with commas.
    mutating func looseList(_ name: String) -> [String]? {
        guard let found = layers.find(name) else { return nil }
        let list: [String]
        switch found.raw {
        case .list(let items): list = items
        case .text(let text): list = text.split(separator: ",").map { String($0).trimmed }
        }
        values.append(SettingValue(name: name, text: "[\(list.joined(separator: ", "))]", origin: found.origin))
        return list
    }

    /// A variable that is not ours but counts all the same. It is shown only where it is set.
    mutating func foreign(_ variable: String, isSecret: Bool = false) -> String? {
        guard let text = layers.variable(variable) else { return nil }
        // Several stores look for the same ones.
        guard !values.contains(where: { $0.name == variable }) else { return text }
        values.append(SettingValue(name: variable, text: isSecret ? "********" : text, origin: .variable(variable)))
        return text
    }

    /// A variable of the system, which is no setting.
    func variable(_ name: String) -> String? { layers.variable(name) }

    func names(below prefix: String) -> [String] { layers.names(below: prefix) }

    func variableNames(below prefix: String) -> [String] { layers.variableNames(below: prefix) }

    mutating func note(_ code: SettingsError.Problem.Code, _ subject: String, _ message: String) {
        problems.append(.init(code: code, subject: subject, message: message))
    }

    private func entry(_ name: String, _ type: String, _ standard: String, _ range: String, _ summary: String) -> SettingEntry {
        SettingEntry(name: name, type: type, defaultText: standard, range: range, summary: summary, isSecret: false)
    }

    private mutating func one<Value>(
        _ entry: SettingEntry, _ standard: Value, format: (Value) -> String, parse: (String) -> Value?
    ) -> Value {
        entries.append(entry)
        guard let found = layers.find(entry.name) else {
            values.append(SettingValue(name: entry.name, text: format(standard), origin: .builtIn))
            return standard
        }
        let shown: String
        switch found.raw {
        case .text(let text):
            if let value = parse(text) {
                values.append(SettingValue(name: entry.name, text: format(value), origin: found.origin))
                return value
            }
            shown = "\"\(text)\""
        case .list: shown = "a list"
        }
        let wanted = entry.range.isEmpty ? entry.type : "\(entry.type) (\(entry.range))"
        note(.invalid, entry.name, "\(shown) (from \(found.origin)) is not allowed here; it takes \(wanted)")
        return standard
    }
}

extension String {
    /// Without the blanks around it.
    var trimmed: String {
        let start = drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }
}
