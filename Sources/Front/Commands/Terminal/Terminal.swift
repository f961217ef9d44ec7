import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where a command writes: results to standard output, everything else to standard error.
struct Terminal: Sendable {
    private let output: @Sendable (String) -> Void
    private let trouble: @Sendable (String) -> Void
    /// Columns of the screen, nil if standard error is none.
    let width: Int?

    init(width: Int?, output: @escaping @Sendable (String) -> Void, trouble: @escaping @Sendable (String) -> Void) {
        self.width = width
        self.output = output
        self.trouble = trouble
    }

    /// A line of the result.
    func say(_ line: String) { output(line + "\n") }

    /// A line that is no result.
    func complain(_ line: String) { trouble(line + "\n") }

    /// Writes over the line that the cursor is in; only if there is a screen.
    func overwrite(_ line: String) {
        if width != nil { trouble("\r\(line)\u{1B}[K") }
    }

    static var process: Terminal {
        Terminal(
            width: screenWidth(),
            output: { write($0, to: .standardOutput) },
            trouble: { write($0, to: .standardError) })
    }

    /// Asks for a line that is not shown; where nobody sits, it is the next one of the standard input.
    static func secret(_ prompt: String) -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return readLine() }
        return getpass(prompt).map { String(cString: $0) }
    }

    private static func write(_ text: String, to handle: FileHandle) {
        do {
            try handle.write(contentsOf: Data(text.utf8))
        } catch {
            // Nobody reads any more, as with `| head`: there is nobody to tell it to.
        }
    }

    private static func screenWidth() -> Int? {
        guard isatty(STDERR_FILENO) == 1 else { return nil }
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
