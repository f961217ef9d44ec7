/// Everything that is wrong with a configuration, at once.
public struct SettingsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One thing that is wrong.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        public struct Code: Sendable, Hashable {
            private enum Storage { case unreadable, unknown, invalid, missing, conflict }
            private var storage: Storage

            /// The file can't be read or is no YAML.
            public static let unreadable = Code(storage: .unreadable)
            /// There is no such key.
            public static let unknown = Code(storage: .unknown)
            /// The value is of the wrong type or out of range.
            public static let invalid = Code(storage: .invalid)
            /// A key that is needed is not set.
            public static let missing = Code(storage: .missing)
            /// Two values exclude each other.
            public static let conflict = Code(storage: .conflict)
        }

        public var code: Code
        /// The key, variable or file that it is about.
        public var subject: String
        /// What is wrong and what would be right. Never holds a secret.
        public var message: String

        public var description: String { "\(subject): \(message)" }
    }

    public var problems: [Problem]

    public init(problems: [Problem]) {
        self.problems = problems
    }

    public var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
