/// The version of this program.
public enum WaybillVersion {
    public static let text = "0.1.0"
}
