/// The parameters of a query: each known to the route, each there once.
public struct QueryParameters: Sendable, Equatable {
    private var values: [String: String] = [:]

    public init() {}

    /// Reads a raw query.
    /// - Parameter allowed: the names the route knows.
    /// - Throws: a 400 problem that names the parameter that is unknown, repeated or badly encoded.
    public init(_ raw: String?, allowed: Set<String>) throws {
        guard let raw, !raw.isEmpty else { return }
        var unknown: Set<String> = []
        for pair in raw.utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).prefix(200) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCoding.decode(Substring(parts[0]), plusIsSpace: true),
                let value = PercentCoding.decode(parts.count > 1 ? Substring(parts[1]) : "", plusIsSpace: true)
            else { throw Problem.invalid("query", "is not valid percent-encoded UTF-8") }
            guard allowed.contains(name) else {
                unknown.insert(name)
                continue
            }
            guard values.updateValue(value, forKey: name) == nil else { throw Problem.invalid(name, "is there twice") }
        }
        guard unknown.isEmpty else { throw Problem.unknownFields(Array(unknown)) }
    }

    public subscript(name: String) -> String? { values[name] }

    /// A whole number, or nil if the parameter is not there.
    /// - Throws: a 400 problem for anything but digits (and a sign), or a number outside `range`.
    public func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), text.utf8.first != UInt8(ascii: "+"), range.contains(number) else {
            throw Problem.invalid(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `true` or `false`, or nil if the parameter is not there.
    public func bool(_ name: String) throws -> Bool? {
        switch values[name] {
        case nil: nil
        case "true": true
        case "false": false
        default: throw Problem.invalid(name, "must be true or false")
        }
    }

    /// One of the cases of `T`, or nil if the parameter is not there.
    public func choice<T: RawRepresentable & CaseIterable>(_ name: String, _ type: T.Type = T.self) throws -> T?
    where T.RawValue == String {
        guard let text = values[name] else { return nil }
        guard let value = T(rawValue: text) else {
            throw Problem.invalid(name, "must be one of " + T.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return value
    }
}

/// Which page of a list is asked for, by the parameters `page` (from 1, default 1) and `size` (1 to 200, default 20).
public struct Paging: Sendable, Equatable {
    public var page: Int
    public var size: Int

    public init(page: Int, size: Int) {
        self.page = page
        self.size = size
    }

    /// - Throws: a 400 problem that names the parameter.
    public init(_ query: QueryParameters) throws {
        page = try query.integer("page", in: 1...1_000_000_000) ?? 1
        size = try query.integer("size", in: 1...200) ?? 20
    }

    /// How many rows come before the page.
    public var offset: Int {
        let (offset, overflow) = (page - 1).multipliedReportingOverflow(by: size)
        return overflow ? .max : offset
    }
}
