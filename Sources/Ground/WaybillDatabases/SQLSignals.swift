/// Words between the nodes that share a database, heard by all of them within milliseconds, the speaker included. They are hints:
/// any of them may be lost, so that everything they tell must be found without them as well, if later.
public protocol SQLSignals: Sendable {
    /// What is said from now on. An empty word says that some may have been missed.
    func words() -> AsyncStream<String>

    /// Says words, of up to 200 bytes each and without line breaks. Returns at once.
    func say(_ words: [String])
}
