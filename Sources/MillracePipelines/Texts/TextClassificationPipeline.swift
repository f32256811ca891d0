import MillraceCore
import MillraceInference
import MillraceText

/// Texts in, a label and its probability out: a table row by row, or a few texts as JSON.
///
/// The model is a BERT classifier. It takes `input_ids`, `attention_mask` and, unless `tokenTypes` is false,
/// `token_type_ids`, each `int64 [batch, sequence]`; out comes `float32 [batch, labels]`.
///
/// | option | default | |
/// | --- | --- | --- |
/// | `tokensMax` | 128 | a longer text is cut at its end; counts `[CLS]` and `[SEP]` |
/// | `lowercase` | true | an uncased vocabulary |
/// | `tokenTypes` | true | whether the model takes `token_type_ids` |
/// | `labelColumn`, `scoreColumn` | `sentiment`, `sentiment_score` | the columns that are added |
/// | `output` | its only one | the model's output |
/// | `activation` | `softmax` | `none` when the model gives probabilities |
///
/// Files: `vocab` (a BERT `vocab.txt`), `labels` (a line for each class).
///
/// **A table** is a `.csv` or `.tsv` file (comma, semicolon, tab or pipe; the first record is the header). Parameter
/// `column` names the column with the text; without it a column with a usual name is taken, else the one with the
/// longest texts. Output `result.csv`: every record exactly as it was, with the two columns at its end. A column of
/// that name that is there already makes it `sentiment_2`. UTF-16 comes back as UTF-8. The whole table is checked
/// before the first row goes to the model, so a fault in the last row costs nothing.
///
/// **Texts as JSON**, in the request or as a file: `{"text": "..."}`, `{"texts": ["...", ...]}`, a string, or an array
/// of strings; a `.txt` file is one text. Output `result.json`:
/// `{"results": [{"label", "score", "logits": [...], "scores": {label: ...}}, ...]}` in the order given.
///
/// An item's cost: its tokens. Texts of one call are filled up to the longest, which adds at most half: texts whose lengths
/// differ by more go into separate calls.
public struct TextClassificationPipeline: ModelPipeline {
    let labels: [String]
    let tokenizer: WordPieceTokenizer
    let tokensMax: Int
    let tokenTypes: Bool
    let labelColumn: String
    let scoreColumn: String
    let output: String?
    let activation: ClassScores.Activation
    let reading = BlockingQueue(label: "millrace.tables", concurrent: true)

    /// - Throws: `invalid_manifest` or `model_unavailable`.
    public init(model: ModelFiles) throws {
        var options = OptionReader(model.manifest)
        tokensMax = options.integer("tokensMax", in: 3...8192, default: 128)
        let lowercase = options.flag("lowercase", default: true)
        tokenTypes = options.flag("tokenTypes", default: true)
        labelColumn = options.string("labelColumn", default: "sentiment")
        scoreColumn = options.string("scoreColumn", default: "sentiment_score")
        let output = options.string("output", default: "")
        self.output = output.isEmpty ? nil : output
        activation = options.choice("activation", default: .softmax)
        if labelColumn == scoreColumn { options.report("options.labelColumn and options.scoreColumn must differ") }
        try options.finish()
        labels = try model.lines(of: "labels")
        tokenizer = try WordPieceTokenizer(vocabularyAt: model.path(of: "vocab"), lowercase: lowercase)
    }

    /// A table's result.
    public var writesFiles: Bool { true }

    public func open(_ job: PipelineJob) async throws -> any PipelineTask {
        guard job.request.files.count <= 1 else {
            throw JobFailure(.tooManyFiles, "the job has \(job.request.files.count) files; one is taken", hint: "submit a job for each file")
        }
        let column = job.request.parameters["column"].flatMap { $0 == .null ? nil : $0 }
        if let column, column.stringValue == nil {
            throw JobFailure(.invalidParameter, "parameter \"column\" must be a string, not \(column.typeName)")
        }
        guard let file = job.request.files.first else {
            guard let input = job.request.input else {
                throw JobFailure(.missingInput, "the job has no text", hint: "upload a CSV file, or send {\"text\": \"...\"}")
            }
            return TextListTask(pipeline: self, texts: try TextInput.texts(in: input, limits: job.limits))
        }
        switch TextInput.Kind(file) {
        case .table: return TableTask(pipeline: self, job: job, file: file, column: column?.stringValue)
        case .json:
            let texts = try await reading.run { try TextInput.texts(inJSONAt: file.path, limits: job.limits) }
            return TextListTask(pipeline: self, texts: texts)
        case .text:
            return TextListTask(pipeline: self, texts: [try await reading.run { try TextFile.read(path: file.path) }])
        }
    }

    public var examples: [[String: Tensor]] {
        let words = "I would not have thought that the new version could be so much slower than the old one, and yet here we are."
        return ["good", words, "Great!!!", words + " " + words].compactMap { text -> [String: Tensor]? in
            if case .tensors(let tensors) = payload(of: text) { tensors } else { nil }
        }
    }

    public func cost(of payload: InferenceItem.Payload) -> Int {
        if case .tensors(let tensors) = payload { tensors["input_ids"]?.count ?? 1 } else { 1 }
    }

    /// The model's inputs for one text, each `int64 [tokens]`.
    func payload(of text: String) -> InferenceItem.Payload {
        let ids = tokenizer.ids(of: text, tokensMax: tokensMax)
        var tensors = [
            "input_ids": Tensor(ids, shape: [ids.count]),
            "attention_mask": Tensor([Int64](repeating: 1, count: ids.count), shape: [ids.count]),
        ]
        if tokenTypes { tensors["token_type_ids"] = Tensor([Int64](repeating: 0, count: ids.count), shape: [ids.count]) }
        return .tensors(tensors)
    }

    /// - Throws: The item's failure; `model_error`; `CancellationError`.
    func scores(of outcome: ItemOutcome) throws -> ClassScores {
        switch outcome {
        case .tensors(let outputs):
            return try ClassScores(of: outputs, output: output, classCount: labels.count, activation: activation)
        case .failed(let failure): throw failure
        case .cancelled: throw CancellationError()
        case .reply: preconditionFailure("a model on tensors answers with tensors")
        }
    }
}
