/// The head of one part of a form (RFC 7578).
public struct MultipartPart: Sendable, Equatable {
    /// The field's name.
    public var name: String
    /// As the sender wrote it, if it is a file: never to be used as a path.
    public var filename: String?
    /// In lower case without parameters, if it was said.
    public var mediaType: String?

    init(name: String, filename: String?, mediaType: String?) {
        self.name = name
        self.filename = filename
        self.mediaType = mediaType
    }

    /// Reads the header lines of a part.
    /// - Returns: nil if there is no `Content-Disposition: form-data` with a name, a field is there twice, or the part is
    ///   encoded.
    init?(head: ArraySlice<UInt8>) {
        guard let text = String(validating: head, as: UTF8.self) else { return nil }
        var fields: [String: String] = [:]
        for line in text.split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, MediaTypeField.isToken(parts[0]),
                fields.updateValue(String(MediaTypeField.trim(parts[1])), forKey: parts[0].lowercased()) == nil
            else { return nil }
        }
        guard ["7bit", "8bit", "binary"].contains(fields["content-transfer-encoding"]?.lowercased() ?? "binary"),
            let disposition = fields["content-disposition"].flatMap({ DispositionField($0) }), disposition.type == "form-data",
            let name = disposition.parameters["name"],
            !name.isEmpty, !name.utf8.contains(0)
        else { return nil }
        self.init(
            name: name, filename: disposition.parameters["filename"],
            mediaType: fields["content-type"].flatMap(MediaTypeField.init)?.name)
    }
}
