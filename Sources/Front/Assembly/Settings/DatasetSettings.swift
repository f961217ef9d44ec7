/// A table or view of somebody's database that can be exported without copying it.
public struct DatasetSettings: Sendable, Hashable {
    /// Whose rows they are.
    public enum Tenants: Sendable, Hashable {
        /// A column holds the tenant's name.
        case column(String)
        /// All rows are these tenants'.
        case list([String])
    }

    /// Who of a tenant may read them.
    public enum Readers: Sendable, Hashable {
        /// A column holds `everyone`, `role:NAME` or `user:NAME`.
        case column(String)
        case list([String])
    }

    public enum Source: Sendable, Hashable {
        /// The path of a SQLite file.
        case file(String)
        /// The URL of a PostgreSQL database. It may hold a password.
        case server(String)

        init(_ text: String) {
            self = ["postgres://", "postgresql://"].contains { text.hasPrefix($0) } ? .server(text) : .file(text)
        }
    }

    public var name: String
    public var source: Source
    public var table: String
    /// The column that orders the rows and tells them apart.
    public var key: String
    public var tenants: Tenants
    public var readers: Readers
    /// The columns to export, in this order; nil: all.
    public var columns: [String]?

    static let fields = ["source", "table", "key", "tenantColumn", "tenants", "readersColumn", "readers", "columns"]

    static func all(_ read: inout SettingsReader) -> [DatasetSettings] {
        var found: [DatasetSettings] = []
        for name in read.names(below: "datasets") {
            if let dataset = DatasetSettings(name, &read) { found.append(dataset) }
        }
        return found
    }

    /// Notes everything that is missing or wrong; nil if anything is.
    private init?(_ name: String, _ read: inout SettingsReader) {
        let prefix = "datasets.\(name)"
        let before = read.problems.count
        if !DatasetSettings.isName(name) {
            read.note(
                .invalid, prefix, "no name for a data set; letters, digits, _ and - are, 1 to 63, and a letter or digit first")
        }
        var needed: [String: String] = [:]
        for field in ["source", "table", "key"] {
            if let text = read.loose("\(prefix).\(field)", shown: DatasetSettings.masked)?.text {
                needed[field] = text
            } else {
                read.note(.missing, prefix, "\(field) is missing")
            }
        }
        let tenants = DatasetSettings.pair("tenantColumn", "tenants", prefix, &read)
        let readers = DatasetSettings.pair("readersColumn", "readers", prefix, &read)
        columns = read.looseList("\(prefix).columns")
        if columns?.isEmpty == true {
            read.note(.invalid, "\(prefix).columns", "an empty list; leave it out to export all columns")
        }
        if case .right(let list)? = tenants {
            for tenant in list where !DatasetSettings.isTenant(tenant) {
                read.note(.invalid, "\(prefix).tenants", "\"\(tenant)\" is no tenant's name")
            }
        }
        if case .right(let list)? = readers {
            for reader in list where !DatasetSettings.isReader(reader) {
                read.note(.invalid, "\(prefix).readers", "\"\(reader)\" is no reader; everyone, role:NAME and user:NAME are")
            }
        }
        guard read.problems.count == before, let tenants, let readers, let source = needed["source"], let table = needed["table"],
            let key = needed["key"]
        else { return nil }
        (self.name, self.source, self.table, self.key) = (name, Source(source), table, key)
        switch tenants {
        case .left(let column): self.tenants = .column(column)
        case .right(let list): self.tenants = .list(list)
        }
        switch readers {
        case .left(let column): self.readers = .column(column)
        case .right(let list): self.readers = .list(list)
        }
    }

    /// A URL's user and options may be secrets.
    private static func masked(_ text: String) -> String {
        guard case .server = Source(text) else { return text }
        return "postgres://********"
    }

    private enum Either { case left(String), right([String]) }

    /// Exactly one of a column and a list must be there, so that nothing is open by omission.
    private static func pair(_ column: String, _ list: String, _ prefix: String, _ read: inout SettingsReader) -> Either? {
        let name = read.loose("\(prefix).\(column)")?.text
        let items = read.looseList("\(prefix).\(list)")
        switch (name, items) {
        case (let name?, nil): return .left(name)
        case (nil, let items?):
            if items.isEmpty {
                read.note(.invalid, "\(prefix).\(list)", "an empty list lets nobody in; leave the data set out instead")
            }
            return .right(items)
        case (nil, nil):
            read.note(.missing, prefix, "\(column) or \(list) is missing: say whose rows they are, or who may read them")
        case (_?, _?):
            read.note(.conflict, prefix, "\(column) and \(list) are both set; set one of them")
        }
        return nil
    }

    static func isTenant(_ text: String) -> Bool {
        isName(text) && text.utf8.allSatisfy { !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }

    private static func isReader(_ text: String) -> Bool {
        text == "everyone" || (text.hasPrefix("role:") && text.count > 5) || (text.hasPrefix("user:") && text.count > 5)
    }

    private static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (1...63).contains(bytes.count), let first = bytes.first, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
