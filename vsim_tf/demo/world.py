"""What the videos of the demo data show: a tree of subjects, and how title, frames and tags tell of them.

Every video belongs to a leaf of a tree: 6 categories, 3 subcategories each, 3 topics each, 3 facets each. Tags name the
nodes on the way to the leaf. What a model sees besides:

* The title draws from the words of the facet, four synonyms each, of its topic and subcategory, before filler words.
  Two titles of one facet often share no word, so counting characters is mediocre; tags tell which words belong
  together.
* Frames are a direction of the leaf, plus what is particular to the video, plus a few directions of light, camera and
  studio that are stronger and say nothing. So the raw cosine is mediocre; a learned projection removes them.
* Every other topic shares its words with a topic of another category, and the rest look like a topic of another
  category: neither text nor frames alone can tell all topics apart.
"""

import itertools
from typing import NamedTuple

import numpy as np

_WORDS = (  # a line is a category and has 3 * 36 words of two characters: 3 subcategories * 3 topics * 3 facets * 4
    "火锅烧烤面条饺子馒头包子烤鸭米饭蛋糕饼干面包布丁甜点奶茶咖啡果汁白酒啤酒红酒绿茶豆浆牛奶可乐汽水苹果香蕉葡萄西瓜草莓橙子菠萝樱桃"
    "荔枝芒果柠檬桃子白菜萝卜土豆番茄黄瓜茄子辣椒大蒜生姜洋葱香菜韭菜牛肉猪肉羊肉鸡腿海鲜龙虾螃蟹鱿鱼鲈鱼鲤鱼三文带鱼"
    "厨房菜刀砧板炒锅电饭烤箱微波蒸笼食谱配方调料酱油香醋花椒八角桂皮减肥营养热量蛋白维生膳食纤维早餐午饭晚宴夜宵探店排队点单外卖自助套餐拼盘凉菜热汤砂锅铁板刺身寿司泡菜腊肠火腿熏鱼鸭脖凤爪春卷汤圆",
    "足球射门点球越位篮球扣篮三分盖帽排球扣杀拦网发球网球正拍反手截击羽毛杀球吊球挑球乒乓弧圈削球搓球游泳蛙泳仰泳蝶泳跳水入水空翻压花"
    "滑雪单板双板雪道滑冰冰刀花样速滑跑步配速马拉终点健身深蹲卧推硬拉瑜伽拉伸冥想呼吸拳击直拳勾拳擂台摔跤柔道锁技太极剑术棍法拳法骑行"
    "单车变速爬坡登山攀岩绳索岩壁露营帐篷睡袋篝火钓鱼鱼竿鱼饵浮漂冲浪帆船划艇桨板象棋围棋将军布局台球开球母球斯诺保龄飞镖射箭射击马术骑手障碍赛艇皮艇滑板轮滑跳绳毽子拔河接力跨栏铅球",
    "钢琴琴键独奏练琴吉他和弦扫弦指弹鼓手架子节拍打击小提琴弓二胡古筝琵琶笛子唱歌高音假声嗓音合唱声部指挥领唱说唱押韵歌词节奏摇滚乐队主唱"
    "贝斯民谣弹唱校园小调舞蹈街舞霹雳锁舞芭蕾足尖旋转舞鞋拉丁恰恰伦巴桑巴广场领舞队形扇子戏曲京剧脸谱花旦相声捧哏逗哏包袱小品搞笑演员"
    "舞台电影导演镜头剪辑影评票房首映预告动画漫画手绘分镜综艺嘉宾主持录制魔术纸牌硬币道具杂技高空平衡顶碗书法毛笔宣纸临摹素描水彩油画雕塑陶艺剪纸刺绣皮影木偶口技快板评书话剧独白",
    "汽车轿车越野跑车引擎油耗马力变速轮胎刹车底盘悬挂摩托机车头盔骑士电动充电续航电池卡车货运挂车拖头高铁动车车厢站台地铁换乘闸机线路"
    "公交司机站牌刷卡飞机航班机长起飞直升旋翼吊舱悬停无人航拍遥控云台轮船甲板船长码头邮轮客舱海景泳池潜艇军舰航母舰载手机屏幕拍照像素"
    "电脑显卡内存硬盘键盘鼠标轴体按键耳机音质降噪低音相机快门光圈对焦手表表盘心率腕带编程代码算法调试网络路由宽带信号智能语音音箱家居镜头三脚稳定补光麦克声卡直播推流投影幕布主机手柄",
    "小猫猫咪喵星铲屎小狗狗狗柴犬金毛兔子仓鼠荷兰龙猫鹦鹉画眉八哥鸽子乌龟蜥蜴守宫变色金鱼锦鲤鱼缸水草狮子老虎豹子猎豹大象犀牛河马长颈"
    "猴子猩猩狒狒长臂熊猫黑熊棕熊北极老鹰猫头秃鹫游隼孔雀天鹅仙鹤鸵鸟鲨鱼鲸鱼海豚水母珊瑚海星海胆章鱼蝴蝶蜜蜂蜻蜓甲虫玫瑰百合牡丹郁金"
    "多肉仙人芦荟盆栽竹子松树柏树银杏水稻小麦玉米高粱拖拉收割播种灌溉果园嫁接修枝采摘养猪养鸡养牛饲料大棚育苗施肥除草森林草原湿地沙漠溪流瀑布雪山冰川峡谷岩洞火山温泉海滩礁石彩虹极光",
    "口红唇釉唇膏色号眼影眼线睫毛眉笔粉底遮瑕散粉腮红面膜精华乳液防晒发型卷发刘海短发染发漂色护发发膜美甲指甲甲油贴片裙子长裙短裙旗袍"
    "衬衫西装领带马甲牛仔裤子阔腿短裤外套风衣羽绒大衣球鞋板鞋跑鞋联名高跟凉鞋靴子单鞋背包手袋钱包皮箱项链耳环戒指手镯客厅沙发茶几地毯"
    "卧室床垫枕头被子阳台窗帘晾衣吊椅装修瓷砖地板涂料收纳衣柜抽屉置物清洁拖把吸尘洗碗宝宝奶粉尿布辅食玩具积木拼图娃娃绘本识字算术儿歌早教胎教产检月子婴儿推车安全座椅围栏爬垫尿裤奶瓶",
)
_FILLERS = (
    "今天大家一起视频教程分享真的非常好看这个那个怎么什么为何原来其实如何快来看看推荐喜欢生活日常记录首次终于超级简单方法技巧朋友意外厉害"
    "最新完整合集精彩瞬间高清现场全程每天几分学会新手必看建议收藏值得关注转发评论点赞谢谢支持下集更多内容不要错过老师"
)


_BRANCHES = (6, 3, 3, 3)  # categories, subcategories of each, topics of each, facets of each
NUM_LEAVES = 162
_SYNONYMS = 4
_NOISE_TAGS = 14
_NODE_SCALES = np.array([0.5, 0.5, 0.6, 0.6])  # lengths of a frame's parts: category, subcategory, topic, facet,
_VIDEO_SCALE = 0.7  # what is particular to the video,
_NUISANCE_SCALE = 1.4  # light, camera and studio
_NUM_NUISANCES = 8
_DRIFT_SHARE = 0.4  # of a frame's variance; with this correlation of neighbours their cosine is 0.8
_DRIFT_CORRELATION = 0.5


class World(NamedTuple):
    """What all videos have in common.

    Attributes:
        paths: nodes on the way to each leaf, `[leaves, 4]`, numbered over the whole tree level.
        popularity: probability of each leaf, `[leaves]`.
        text: leaf whose words each leaf uses as well as its own, `[leaves]`.
        looks: leaf whose direction each leaf has, `[leaves]`.
        directions: direction of each leaf in frame space, `[leaves, dim]`.
        nuisances: directions that say nothing about the leaf, `[nuisances, dim]`.
        tags: tag ids of categories, subcategories, leaves and noise, in this order, `[tags]`.
    """

    paths: np.ndarray
    popularity: np.ndarray
    text: np.ndarray
    looks: np.ndarray
    directions: np.ndarray
    nuisances: np.ndarray
    tags: np.ndarray


def make_world(rng: np.random.Generator, dim: int) -> World:
    """Draw a world with frames of `dim` values."""
    leaves = np.arange(NUM_LEAVES)
    below = np.cumprod(_BRANCHES[::-1])[::-1] // _BRANCHES  # leaves below a node of each level
    paths = leaves[:, None] // below
    partner = np.where(paths[:, 0] % 2 == 0, leaves + below[0], leaves - below[0])
    topics = _BRANCHES[1] * _BRANCHES[2]
    shares_words = paths[:, 2] % topics % 2 == 0  # every other topic of a category and of its partner
    looks = np.where(shares_words, leaves, np.minimum(leaves, partner))
    directions = sum(
        scale * _units(rng, nodes, dim)[path]
        for scale, nodes, path in zip(_NODE_SCALES, np.cumprod(_BRANCHES), paths.T, strict=True)
    )
    popularity = rng.permutation(1 / (leaves + 30.0))
    num_tags = _BRANCHES[0] + _BRANCHES[0] * _BRANCHES[1] + NUM_LEAVES + _NOISE_TAGS
    text = np.where(shares_words, partner, leaves)
    return World(
        paths,
        popularity / popularity.sum(),
        text,
        looks,
        directions[looks],
        _units(rng, _NUM_NUISANCES, dim),
        rng.choice(10**8, num_tags, replace=False),
    )


def _units(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((count, dim))
    units: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def title(world: World, leaf: int, rng: np.random.Generator) -> str:
    """7 to 30 characters: two to four words of the facet, perhaps others of its topic and subcategory, then fillers."""
    words = [_word(world, leaf, rng) for _ in range(rng.integers(2, 5))]
    words += [_word(world, _relative(world, leaf, 2, rng), rng) for _ in range(rng.integers(0, 3))]
    words += [_word(world, _relative(world, leaf, 1, rng), rng) for _ in range(rng.integers(0, 2))]
    words = list(rng.permutation(words))
    length = 7 + round(23 * rng.beta(2, 2.5))
    while 2 * len(words) < length:
        words.append(filler(rng))
    return "".join(words)[:length]


def filler(rng: np.random.Generator) -> str:
    """A word that says nothing."""
    start = 2 * rng.integers(len(_FILLERS) // 2)
    return _FILLERS[start : start + 2]


def subcategory_words(category: int, subcategory: int) -> list[str]:
    """All words of a subcategory, which is numbered within its category."""
    count = _BRANCHES[2] * _BRANCHES[3] * _SYNONYMS
    start = 2 * count * subcategory
    return [_WORDS[category][place : place + 2] for place in range(start, start + 2 * count, 2)]


def asr_text(world: World, leaf: int, rng: np.random.Generator) -> str:
    """Recognised speech: like one to four titles, or `nan` where nobody speaks, as in the contest."""
    return "nan" if rng.random() < 0.3 else "".join(title(world, leaf, rng) for _ in range(rng.integers(1, 5)))


def _word(world: World, leaf: int, rng: np.random.Generator) -> str:
    leaf = rng.choice((leaf, world.text[leaf]))
    line, place = divmod(leaf, NUM_LEAVES // _BRANCHES[0])
    start = 2 * (place * _SYNONYMS + rng.integers(_SYNONYMS))
    return _WORDS[line][start : start + 2]


def _relative(world: World, leaf: int, level: int, rng: np.random.Generator) -> int:
    """A leaf below the same node of a level (0: category, 1: subcategory, 2: topic)."""
    relative: int = rng.choice(np.flatnonzero(world.paths[:, level] == world.paths[leaf, level]))
    return relative


def frames(world: World, leaf: int, rng: np.random.Generator) -> np.ndarray:
    """Frame features `[frames, dim]`: 5 to 32 frames, 16.6 on average, of norm 9 to 15."""
    dim = world.directions.shape[1]
    count = 5 + round(27 * rng.beta(2.1, 2.8))
    still = (
        world.directions[leaf]
        + _VIDEO_SCALE * rng.standard_normal(dim) / np.sqrt(dim)
        + _NUISANCE_SCALE * rng.standard_normal(_NUM_NUISANCES) @ world.nuisances / np.sqrt(_NUM_NUISANCES)
    )
    drift = rng.standard_normal((count, dim))
    for before, now in itertools.pairwise(drift):
        now *= np.sqrt(1 - _DRIFT_CORRELATION**2)
        now += _DRIFT_CORRELATION * before
    drift *= np.linalg.norm(still) * np.sqrt(_DRIFT_SHARE / (1 - _DRIFT_SHARE) / dim)
    frames: np.ndarray = still + drift
    frames = frames * (rng.uniform(10, 14) / np.linalg.norm(frames, axis=1).mean())
    return frames


def category(world: World, leaf: int) -> int:
    """Five digits: three of the category, from 100 upwards, and two of the subcategory within it."""
    return int(100 * (100 + world.paths[leaf, 0]) + world.paths[leaf, 1] % _BRANCHES[1])


def tags(world: World, leaf: int, rng: np.random.Generator) -> list[int]:
    """Tags of most nodes on the path, now and then one of a sibling facet, noise, and one outside the tag list."""
    categories, subcategories = _BRANCHES[0], _BRANCHES[0] * _BRANCHES[1]
    first_leaf, first_noise = categories + subcategories, categories + subcategories + NUM_LEAVES
    drawn = (
        (0.7, world.paths[leaf, 0]),
        (0.7, categories + world.paths[leaf, 1]),
        (0.85, first_leaf + leaf),
        (0.15, first_leaf + _relative(world, leaf, 2, rng)),
        (0.3, first_noise + rng.integers(_NOISE_TAGS)),
    )
    tags = {int(world.tags[column]) for probability, column in drawn if rng.random() < probability}
    if rng.random() < 0.1:
        tags.add(10**8 + int(rng.integers(1000)))
    return sorted(tags)
