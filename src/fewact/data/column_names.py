"""Names of columns in the languages of people and in programs, and what unknown names look like.

Names are compared by ``fewact.data.columns.plain``: case, accents and punctuation do not count.
"""

import re
from typing import Final

SUBJECT: Final = "subject individual animal person actor"
"""Names of the column with the individual that a row is about."""

SUBJECTS: Final = (
    f"{SUBJECT} individuals subject_name subject_id animal_id animal_name individual_id "
    "person_id individual_name focal focal_subject focal_animal player participant performer "
    "who sujet individu personne joueur tier tier_id individuum proband spieler sujeto "
    "individuo persona jugador soggetto giocatore animale sujeito indivíduo pessoa jogador "
    "dier proefdier djur субъект особь животное игрок 对象 个体 人物 被験者 個体 동물 개체 "
    "대상"
)
"""Names of the column with the individual of an event."""

RATERS: Final = (
    "rater raters rater_id rater_name annotator annotators annotated_by observer "
    "observer_name observer_id scorer scored_by coder coder_id coded_by experimenter judge "
    "labeler labeller annotateur observateur codeur évaluateur beobachter kodierer bewerter "
    "auswerter observador anotador codificador evaluador osservatore annotatore valutatore "
    "avaliador waarnemer наблюдатель разметчик эксперт 标注者 标注员 观察者 评分者 評価者 "
    "観察者 관찰자 평가자"
)
"""Names of the column with the person who scored."""

RECORDING_NAMES: Final = (
    "recording video videos video_id youtube_id video_file video_filename video_name "
    "video_path video_url videofile videoname file files file_name filename file_path filepath "
    "media media_file "
    "media_files media_file_name media_file_path media_name media_path clip clip_name "
    "clip_path movie movie_name source_video video_source path vidéo fichier fichier_vidéo "
    "nom_du_fichier nom_de_la_vidéo film enregistrement aufnahme datei dateiname "
    "videodatei aufzeichnung "
    "vídeo archivo nombre_del_archivo grabación registrazione filmato file_video nome_file "
    "arquivo ficheiro nome_do_arquivo gravação bestand bestandsnaam opname videobestand "
    "filnamn inspelning plik nagranie wideo видео видеофайл файл имя_файла запись 视频 "
    "视频文件 文件 文件名 影片 動画 動画ファイル ファイル ファイル名 비디오 동영상 파일 "
    "파일명"
)
"""Names of the column with the recording."""

LABEL_NAMES: Final = (
    "label labels label_name behavior behaviour behaviors behaviours behavior_name "
    "behaviour_name behavior_code class class_name class_label action actions action_name "
    "action_label code activity activity_name event event_name event_label gesture tag "
    "annotation etogram ethogram comportement étiquette classe activité évènement événement "
    "geste acte verhalten verhaltensweise etikett klasse aktion aktivität ereignis "
    "bezeichnung handlung comportamiento conducta etiqueta clase acción actividad evento "
    "gesto comportamento etichetta azione attività rótulo ação atividade gedrag klasse_naam "
    "actie handeling gebeurtenis beteende händelse zachowanie etykieta klasa akcja czynność "
    "поведение метка класс действие событие 标签 行为 类别 动作 事件 活动 ラベル 行動 クラス "
    "動作 イベント 라벨 행동 동작 클래스"
)
"""Names of the column with the class."""

START_NAMES: Final = (
    "start begin begins onset from start_time starttime start_at starts started time_start "
    "timestart begin_time begintime onset_time t_start tstart start_t time_in in_time "
    "in_point inpoint start_timestamp start_position start_timecode start_tc tc_in "
    "time_begin time_from from_time début debut_temps temps_début temps_de_début temps_debut "
    "heure_de_début départ commencement anfang beginn startzeit anfangszeit startzeitpunkt "
    "von inicio comienzo tiempo_inicio tiempo_de_inicio tiempo_inicial hora_inicio "
    "hora_de_inicio desde inizio tempo_inizio tempo_di_inizio ora_inizio início tempo_início "
    "tempo_de_início tempo_inicial begintijd starttijd van börjar starttid początek "
    "czas_początku начало время_начала 开始 开始时间 起始 起始时间 开始时刻 開始 開始時間 "
    "開始時刻 시작 시작시간 시작_시간"
)
"""Names of the column with the start."""

END_NAMES: Final = (
    "end ends ended stop stops offset finish to end_time endtime end_at stop_time stoptime "
    "time_end timeend time_stop offset_time finish_time t_end tend end_t t_stop time_out "
    "out_time out_point outpoint end_timestamp stop_timestamp end_position end_timecode "
    "end_tc tc_out time_to to_time until fin temps_fin temps_de_fin heure_de_fin arrêt ende "
    "endzeit stopp stoppzeit endzeitpunkt bis final tiempo_fin tiempo_final tiempo_de_fin "
    "hora_fin hora_de_fin término hasta fine tempo_fine tempo_di_fine ora_fine termine fim "
    "tempo_fim tempo_de_fim tempo_final einde eind eindtijd stoptijd tot slut sluttid koniec "
    "czas_końca конец окончание время_окончания время_конца 结束 结束时间 终止 结束时刻 終了 "
    "終了時間 終了時刻 끝 종료 종료시간 종료_시간"
)
"""Names of the column with the end."""

DURATION_NAMES: Final = (
    "duration durations dur duration_time event_duration bout_duration durée durée_totale "
    "dauer duración durata duração duur tijdsduur varaktighet czas_trwania długość "
    "длительность продолжительность 持续时间 时长 期間 継続時間 기간 지속시간"
)
"""Names of the column with the duration."""

TIME_NAMES: Final = (
    "time times timestamp time_stamp timepoint time_point time_position t temps zeit "
    "zeitpunkt zeitstempel tiempo tempo tijd tijdstip tid czas время 时间 时刻 時間 時刻 "
    "시간"
)
"""Names of the column with the time of a row that is no segment."""

RATES: Final = (
    "fps frame_rate framerate video_fps video_frame_rate frames_per_second fps_(frame/s) "
    "frame_rate_(fps) frame_rate_(hz) images_par_seconde bildrate bilder_pro_sekunde "
    "cuadros_por_segundo fotogrammi_al_secondo quadros_por_segundo taxa_de_quadros 帧率 "
    "フレームレート"
)
"""Names of the column with the frame rate with which times were counted."""

SUSPECT: Final = re.compile(
    r"(?:^|_)(?:start|begin|began|end|ende|stop|finish|onset|offset|from|to|until|dur|duration|"
    r"time|times|timing|timestamp|timecode|tc|clock|second|ms|msec|s|sec|min|minute|hour|"
    r"frame|fps|rate|hz|bild|label|class|code|action|activity|event|subject|animal|person|rater|"
    r"fin|fine|fim|zeit|von|bis|temps|tiempo|tempo|tijd|tid|slut)s?(?:_|$|\d)|"
    r"behavio|milli|framerate|individual|particip|annotat|observer|scorer|coder|"
    r"(?:^|_)(?:start|end|stop)(?:time|frame|sec|ms)|(?:time|frame)(?:start|end|stop)|"
    r"debut|duree|anfang|beginn|dauer|inicio|comienzo|duracion|inizio|durata|inici|durac|"
    r"etiquet|comport|verhalten|gedrag|beteend|zachow|poczat|koniec|einde|"
    r"нача|коне|оконч|врем|длит|кадр|повед|метк|开始|结束|时间|帧|标签|行为|開始|終了|時間|行動|시작|종료|시간|행동"
)
"""Names that look like times, rates, frames, subjects or labels; without accents."""

HARMLESS: Final = re.compile(
    r"(?:^|_)(?:id|ids|no|nr|num|number|index|idx|row|rank|order|trial|take|session|visit|day|"
    r"week|month|year|age|weight|mass|temperature|temp|humidity|width|height|size|fold|split|cage|"
    r"box|group|arena|block|set|batch|version|x|y|z|w|h|area|distance|speed|score|agreement|count|"
    r"lead_time|unnamed|level|intensity|sex|sexe|alter|edad|gewicht|anzahl|nummer)(?:_|$|\d)|"
    r"comment|note|descri|remark|modif|categ|date|created|updated|^_?$"
)
"""Names of columns whose numbers are no times."""

COMMENTS: Final = re.compile(r"comment|^notes?(?:_|$)|descri|remark|modif|bemerk|kommentar|anmerk")
"""Names of columns of free text, whatever else is in the name."""

STATUS_TEXTS: Final = frozenset(("start", "stop", "begin", "end", "on", "off", "point", "state"))
"""Cells that say what a row begins or ends, in lower case."""
